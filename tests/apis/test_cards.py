from pathlib import Path

import pytest

from ovdet.apis.cards import BEGIN, END, describe, entries, markdown, table, write_readme
from ovdet.apis.zoo import Release, find
from ovdet.structures import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OVDET_ZOO", str(ROOT / "model_zoo"))


def test_the_readme_is_in_step_with_the_entries():
    text = (ROOT / "model_zoo" / "README.md").read_text(encoding="utf-8")
    assert text == write_readme(), "run python tools/models.py list --write"


def test_every_model_has_a_full_card():
    for model in entries():
        card = model.card
        assert all([card.about, card.licence, card.tasks, card.figures]), model.name
        if isinstance(model, Release):
            assert card.paper, model.name
            assert model.address.startswith("https://") or model.source == "hub"


def test_hashes_of_openai_are_those_of_their_addresses():
    """The publisher puts the sha256 into the address, as openai/CLIP's code checks it."""
    released = [model for model in entries() if isinstance(model, Release)]
    towers = [model for model in released if model.format == "clip"]
    assert len(towers) == 5
    for model in towers:
        assert model.address.split("/")[-2] == model.sha256


def test_the_table_flags_terms_and_tells_what_is_here(tmp_path):
    lines = table(entries())
    assert lines[0].split() == ["name", "what", "it", "is", "use", "MB", "tasks", "here"]
    (row,) = [line for line in lines if line.startswith("owlvit-base ")]
    assert row.endswith("no")
    folder = tmp_path / "cache" / "models" / "owlvit-base"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    assert table([find("owlvit-base")])[1].endswith("yes")


def test_all_that_is_known_of_one(monkeypatch):
    text = "\n".join(describe(find("owlv2-base")))
    assert "hub       google/owlv2-base-patch16-ensemble" in text
    assert "sha256    not known" in text
    assert "figure    LVIS v1 val, box AP: 43.9" in text
    assert "config " in "\n".join(describe(find("tiny-clip")))
    monkeypatch.setenv("OVDET_CACHE", "off")
    assert "OVDET_CACHE is off" in "\n".join(describe(find("owlv2-base")))
    assert table([find("owlv2-base")])[1].endswith("no")


def write(folder, name, text):
    (folder / f"{name}.yml").write_text(f"name: {name}\n{text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format: onnx\nhub: a/b", r"a\.yml: format must be one of .*, got 'onnx'"),
        ("format: clip", r"must name one of \['hub', 'url', 'page'\], got \[\]"),
        ("format: clip\nhub: a/b\nurl: https://a", r"got \['hub', 'url'\]"),
        ("format: clip\nurl: file:/etc", "url must begin with https://, got 'file:/etc'"),
        ("format: clip\nurl: https://a/b\nsha256: 12", "sha256 must be 64 hexadecimal digits"),
        ("format: clip\nhub: a/b\nuse: ask", "use must be one of .*, got 'ask'"),
        ("format: clip\nhub: 3", "must have the text 'hub', got 3"),
    ],
)
def test_bad_entries(tmp_path, monkeypatch, text, message):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    write(tmp_path, "a", text)
    with pytest.raises(InputError, match=message):
        find("a")


def test_a_readme_without_marks(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    with pytest.raises(InputError, match=r"README\.md: cannot be read"):
        write_readme()
    (tmp_path / "README.md").write_text("no marks")
    with pytest.raises(InputError, match="must hold <!-- models -->"):
        write_readme()
    write(tmp_path, "a", "format: other\nurl: https://x.org/a.pth\nuse: non-commercial\nsize: 3")
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}old{END}\nafter")
    text = write_readme()
    assert text.startswith(f"before\n{BEGIN}\n\n| name |")
    assert text.endswith(f"{END}\nafter")
    assert "| a |  | NON-COMMERCIAL | 3 |  |  |  | not known |" in text
    assert markdown([]).count("\n") == 1
