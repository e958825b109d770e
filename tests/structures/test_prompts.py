import pytest

from ovdet.structures import InputError, Vocabulary
from ovdet.structures.prompts import Prompt, Prompts, Shown

DOG = Prompt("dog", ("hound", "dog"), ("a pet that barks",), negatives=("toy dog",))
MUG = Prompt("our mug", shown=(Shown("mug.png", ((1, 2, 3, 4),)),), named=False)


def test_the_words_of_a_label_stand_once():
    assert DOG.words == ("dog", "hound", "a pet that barks")
    assert MUG.words == ()
    assert Prompt("A7", descriptions=("a red screw",), named=False).words == ("a red screw",)


def test_rows_by_hand():
    rows = Prompts.of([DOG, "cat", MUG, Prompt("car", negatives=("toy", "cat"))]).rows()
    assert rows.names == (
        "dog",
        "hound",
        "a pet that barks",
        "cat",
        "car",
        "toy dog",
        "toy",
        "pictures of our mug",
    )
    assert rows.owner == (0, 0, 0, 1, 3, -1, -1, 2)
    assert rows.worded == (True,) * 7 + (False,)
    assert rows.against == ((5, 0), (6, 3), (3, 3))
    assert rows.groups == (0, 0, 0, 1, 3, 0, 3, 2)  # a negative is of the group it speaks against


def test_what_speaks_against_several_is_by_itself():
    toys = Prompts.of([Prompt("dog", negatives=("toy",)), Prompt("car", negatives=("toy",))])
    rows = toys.rows()
    assert rows.owner == (0, 1, -1)
    assert rows.groups == (0, 1, 4)


def test_labels_and_their_scores():
    plain = Prompts.of([DOG, "cat"])
    assert len(plain) == 2
    assert plain.vocabulary == Vocabulary.of(["dog", "cat"])
    scores = Vocabulary(("cat", "x", "dog"), thresholds=(0.1, 0.2, 0.3), basis="labels")
    assert Prompts(plain.prompts, scores).vocabulary.thresholds == (0.3, 0.1)
    with pytest.raises(InputError, match=r"scores must know each label, they lack \['dog'\]"):
        Prompts(plain.prompts, Vocabulary.of(["cat"]))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"label": " "}, "label must not be blank"),
        ({"label": 3}, "label must be text, got 3"),
        ({"label": "a", "synonyms": ("",)}, r"synonyms\[0\] must not be blank"),
        ({"label": "a", "synonyms": "bc"}, "synonyms must be a list of texts, got 'bc'"),
        ({"label": "a", "named": False}, "'a' has no name, synonym, description or picture"),
        ({"label": "a", "negatives": ("a",)}, "'a' stands both for 'a' and against it"),
        ({"label": "a", "image_share": 1.5}, r"image_share must lie in \[0, 1\], got 1.5"),
    ],
)
def test_prompts_that_cannot_be(facts, message):
    with pytest.raises(InputError, match=message):
        Prompt(**facts)


@pytest.mark.parametrize("box", [(1, 2, 3), (3, 0, 1, 4), (0, 4, 4, 4), (float("nan"), 0, 1, 1)])
def test_boxes_that_cannot_be(box):
    with pytest.raises(InputError, match=r"boxes\[0\] must be xyxy with x1 < x2 and y1 < y2"):
        Shown("a.png", (box,))


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "at least one name, got none"),
        (["a", "a"], "distinct, got 'a' twice"),
        (["hound", DOG], r"'hound' must stand for one label, stands for \['hound', 'dog'\]"),
        (["a", 3], "classes must be names or prompts, got 3"),
    ],
)
def test_lists_that_cannot_be(prompts, message):
    with pytest.raises(InputError, match=message):
        Prompts.of(prompts)
