import json

import pytest

from ovdet.structures import InputError, Vocabulary

FULL = Vocabulary(
    names=("cat", "Red  Car ", "lotería"),
    synonyms=(("kitty",), (), ("bingo", "tómbola")),
    descriptions=("a pet", "", "a game"),
    novel=(False, True, False),
    frequency=("f", "r", "c"),
    ids=(17, 3, 90),
)


def test_round_trip(tmp_path):
    FULL.save(tmp_path / "deep" / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "deep" / "vocabulary.json") == FULL


def test_names_alone_are_enough(tmp_path):
    (tmp_path / "v.json").write_text('{"names": ["cat", "dog"]}', encoding="utf-8")
    assert Vocabulary.load(tmp_path / "v.json") == Vocabulary.of(["cat", "dog"])


def test_file_is_readable_json(tmp_path):
    FULL.save(tmp_path / "v.json")
    text = (tmp_path / "v.json").read_text(encoding="utf-8")
    assert "lotería" in text
    assert json.loads(text)["ids"] == [17, 3, 90]


def test_labels_are_exactly_as_given():
    names = [" cat", "cat", "CAT", "cat.", "猫", "a/b (c)"]
    assert list(Vocabulary.of(names).names) == names


def test_facts_have_defaults():
    plain = Vocabulary.of(["a", "b"])
    assert len(plain) == 2
    assert plain.novel_mask == (False, False)
    assert plain.category_ids == (1, 2)
    assert plain.words() == (("a",), ("b",))


def test_facts_are_kept():
    assert FULL.novel_mask == (False, True, False)
    assert FULL.category_ids == (17, 3, 90)
    assert FULL.words() == (("cat", "kitty"), ("Red  Car ",), ("lotería", "bingo", "tómbola"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "at least one name, got none"),
        (["cat", "  "], "class 1 must not be blank, got '  '"),
        (["cat", ""], "class 1 must not be blank, got ''"),
        (["cat", "dog", "cat"], "must be distinct, got 'cat' twice"),
        (["cat", 3], "class 1 must be text, got int"),
        ("cat,dog", "must be a list of names, got the bare string 'cat,dog'"),
    ],
)
def test_names_that_cannot_be(names, message):
    with pytest.raises(InputError, match=message):
        Vocabulary.of(names)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"novel": (True,)}, "novel must have one entry a class or none, got 1 for 2 classes"),
        ({"ids": (1, 2, 3)}, "ids must have one entry a class or none, got 3 for 2"),
        ({"ids": (7, 7)}, "ids must be distinct"),
        ({"frequency": ("f", "x")}, r"frequency must be f, c or r, got \['x'\]"),
        ({"descriptions": ("",)}, "descriptions must have one entry"),
        ({"synonyms": ((),)}, "synonyms must have one entry"),
    ],
)
def test_facts_that_cannot_be(facts, message):
    with pytest.raises(InputError, match=message):
        Vocabulary(("a", "b"), **facts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "must be an object with a list 'names'"),
        (b'{"names": "cat"}', "must be an object with a list 'names'"),
        (b'{"names": ["cat"], "colour": []}', r"unknown keys \['colour'\]"),
        (b'{"names": ["cat", "cat"]}', "must be distinct"),
        (b'{"names": ["cat"], "novel": [true, false]}', "novel must have one entry"),
        (b'{"names": ["c\xe4t"]}', "must be UTF-8 text, byte 13 is not"),
        (b'{"names": ["cat"', "must be JSON"),
        (b"", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"bad\.json: .*{message}"):
        Vocabulary.load(path)


@pytest.mark.parametrize(
    "facts",
    [
        {"novel": 1},
        {"novel": "yes"},
        {"novel": ["no"]},
        {"synonyms": ["kitty"]},
        {"synonyms": [[3]]},
        {"descriptions": [4]},
        {"frequency": [["f"]]},
        {"ids": ["1"]},
        {"ids": [{}]},
        {"ids": [True]},
        {"names": None},
    ],
)
def test_a_fact_of_the_wrong_type_is_named(tmp_path, facts):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"names": ["cat"], **facts}), encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.json: "):
        Vocabulary.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file"):
        Vocabulary.load(tmp_path / "none.json")


def test_picked_classes_keep_their_facts():
    picked = FULL.pick([2, 0])
    assert picked.names == ("lotería", "cat")
    assert picked.synonyms == (("bingo", "tómbola"), ("kitty",))
    assert picked.novel == (False, False)
    assert picked.frequency == ("c", "f")
    assert picked.ids == (90, 17)
    assert Vocabulary.of(["a", "b"]).pick([1]) == Vocabulary.of(["b"])


def test_a_name_that_is_not_utf8_comes_back(tmp_path):
    Vocabulary(("caf\udce9", "日本")).save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json").names == ("caf\udce9", "日本")


SCORED = Vocabulary(("a", "b"), thresholds=(0.25, 0.5), temperature=1.5, basis="labels")


def test_scores_are_written_and_read(tmp_path):
    SCORED.save(tmp_path / "v.json")
    record = json.loads((tmp_path / "v.json").read_text())
    assert (record["thresholds"], record["temperature"]) == ([0.25, 0.5], 1.5)
    assert record["basis"] == "labels"
    assert Vocabulary.load(tmp_path / "v.json") == SCORED


def test_a_file_without_scores_says_nothing_of_them(tmp_path):
    FULL.save(tmp_path / "v.json")
    assert not {"thresholds", "temperature", "basis"} & set(
        json.loads((tmp_path / "v.json").read_text())
    )


def test_picked_classes_keep_their_scores():
    picked = SCORED.pick([1])
    assert picked.thresholds == (0.5,)
    assert (picked.temperature, picked.basis) == (1.5, "labels")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"thresholds": [0.5], "basis": "labels"}, "thresholds must have one entry a class"),
        (
            {"thresholds": [0.5, 2], "basis": "labels"},
            r"thresholds\[1\] must lie in \[0, 1\], got 2",
        ),
        ({"thresholds": ["x", 1], "basis": "labels"}, r"thresholds\[0\] must be float, got 'x'"),
        ({"temperature": 0, "basis": "labels"}, "temperature must be a number above 0, got 0"),
        ({"temperature": True, "basis": "labels"}, "temperature must be a number, got True"),
        ({"temperature": 2.0}, "need a basis"),
        ({"basis": "a guess"}, "basis must be one of .*, got 'a guess'"),
    ],
)
def test_scores_that_cannot_be(tmp_path, facts, message):
    (tmp_path / "v.json").write_text(json.dumps({"names": ["a", "b"], **facts}))
    with pytest.raises(InputError, match=rf"v\.json: .*{message}"):
        Vocabulary.load(tmp_path / "v.json")
