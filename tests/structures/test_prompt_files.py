import re
from pathlib import Path

import pytest
import yaml

from ovdet.structures import InputError, Vocabulary
from ovdet.structures.prompt_files import _PICTURE, _PROMPT, _TOP
from ovdet.structures.prompts import Prompts

PAGE = Path(__file__).parents[2] / "docs" / "prompts.md"
EXAMPLE = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]


def test_the_example_of_the_page(tmp_path):
    Vocabulary(("cat", "dog", "our mug"), thresholds=(0.2, 0.3, 0.4), basis="labels").save(
        tmp_path / "vocabulary.json"
    )
    (tmp_path / "prompts.yml").write_text(EXAMPLE, encoding="utf-8")
    found = Prompts.load(tmp_path / "prompts.yml")
    cat, dog, mug = found.prompts
    assert cat.words == ("cat",)
    assert dog.words == ("dog", "puppy", "hound", "an animal with a wagging tail")
    assert dog.negatives == ("toy dog",)
    assert mug.image_share == 0.7
    assert [shown.picture for shown in mug.shown] == [tmp_path / "shelf.jpg", tmp_path / "mug.png"]
    assert mug.shown[0].boxes == ((10, 20, 110, 140), (200, 24, 290, 150))
    assert mug.shown[1].boxes == ()
    assert found.vocabulary.thresholds == (0.2, 0.3, 0.4)


def test_the_page_names_every_key_and_no_other():
    keys = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(keys) == sorted((*_TOP, *_PROMPT, *_PICTURE))
    assert set(yaml.safe_load(EXAMPLE)) == set(_TOP)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "must be YAML: "),
        ("- cat", "must hold a list under the key 'prompts'"),
        ("prompts: cat", "must hold a list under the key 'prompts'"),
        ("prompts: []", "at least one name, got none"),
        ("prompts: [cat]\ncolour: red", "colour is no key, known are prompts, scores"),
        ("prompts: [cat, no]", r"prompts\[1\] must be a name .* got False: put it in quotes"),
        ("prompts: [{synonyms: [a]}]", r"prompts\[0\] must be a name or hold the key 'label'"),
        ("prompts: [{label: 7}]", r"prompts\[0\].label must be text, got 7: put it in quotes"),
        ("prompts: [{label: a, synonym: [b]}]", r"prompts\[0\]\.synonym is no key, known are"),
        ("prompts: [{label: a, synonyms: b}]", r"prompts\[0\]\.synonyms must be a list, got 'b'"),
        ("prompts: [{label: a, negatives: [1]}]", r"prompts\[0\]\.negatives\[0\] must be text"),
        ("prompts: [{label: a, negatives: [a]}]", r"prompts\[0\]: 'a' stands both"),
        ("prompts: [{label: a, named: 1}]", r"prompts\[0\]\.named must be true or false, got 1"),
        ("prompts: [{label: a, image_share: x}]", r"\.image_share must be a number, got 'x'"),
        ("prompts: [{label: a, pictures: [{boxes: []}]}]", r"pictures\[0\] must be a file or hold"),
        (
            "prompts: [{label: a, pictures: [{file: p, boxes: [[1, 2, x, 4]]}]}]",
            r"prompts\[0\]\.pictures\[0\]\.boxes\[0\]\[2\] must be a number, got 'x'",
        ),
        (
            "prompts: [{label: a, pictures: [{file: p, boxes: [[4, 2, 3, 4]]}]}]",
            r"prompts\[0\]\.pictures\[0\]: boxes\[0\] must be xyxy with x1 < x2",
        ),
        ("prompts: [a]\nscores: none.json", r"none\.json: cannot be read"),
        ("prompts: [a, a]", "distinct, got 'a' twice"),
    ],
)
def test_a_bad_file_is_one_line_with_file_and_key(tmp_path, text, message):
    path = tmp_path / "bad.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"bad\.yml: .*{message}") as told:
        Prompts.load(path)
    assert "\n" not in str(told.value)


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "a.yml").write_bytes(b"prompts: [caf\xe9]")
    with pytest.raises(InputError, match=r"a\.yml: must be UTF-8 text, byte 13 is not"):
        Prompts.load(tmp_path / "a.yml")
    with pytest.raises(InputError, match=r"none\.yml: cannot be read: No such file"):
        Prompts.load(tmp_path / "none.yml")
