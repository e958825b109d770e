from collections import Counter

import numpy as np
import pytest

from ovdet.data.stickers.expressions import (
    KINDS,
    Phrase,
    compose,
    list_things,
    name_absent,
    tell_apart,
)
from ovdet.data.stickers.kin import are_kin
from ovdet.data.stickers.names import NAMES
from ovdet.data.stickers.patches import COLOURS
from ovdet.data.stickers.scenes import Placed

MASK = np.ones((160, 160), bool)
NOUNS = ("car", "dog", "kite", "tent")


def thing(name, box, colour=None):
    return Placed(name, colour, box, MASK, 0.0)


def crowd(seed):
    """Return things of few names at random places, coloured all or none."""
    rng = np.random.default_rng(seed)
    coloured = rng.random() < 0.6
    things = []
    for _ in range(rng.integers(1, 8)):
        x, y = rng.integers(0, 120, 2).tolist()
        width, height = rng.integers(8, 40, 2).tolist()
        colour = str(rng.choice(list(COLOURS))) if coloured else None
        things.append(thing(str(rng.choice(NOUNS)), (x, y, x + width, y + height), colour))
    return things


def told(objects, target):
    return {(sentence.kind, sentence.text) for sentence in tell_apart(objects, target)}


def centre(item):
    return (item.box[0] + item.box[2]) / 2, (item.box[1] + item.box[3]) / 2


def longer(item):
    return max(item.box[2] - item.box[0], item.box[3] - item.box[1])


def meant(objects, sentence):
    """Return the places of what an expression may mean, read from its words alone."""
    words = sentence.text.removeprefix("the ")
    noun = next(noun for noun in NOUNS if noun in words.split())
    like = [i for i, item in enumerate(objects) if item.name == noun]
    rules = {
        "larger": lambda i, j: longer(objects[i]) > longer(objects[j]),
        "smaller": lambda i, j: longer(objects[i]) < longer(objects[j]),
        "left": lambda i, j: centre(objects[i])[0] < centre(objects[j])[0],
        "right": lambda i, j: centre(objects[i])[0] > centre(objects[j])[0],
        "upper": lambda i, j: centre(objects[i])[1] < centre(objects[j])[1],
        "lower": lambda i, j: centre(objects[i])[1] > centre(objects[j])[1],
    }
    if sentence.kind == "relation":
        noun, side, landmark = split_relation(words)
        like = [i for i, item in enumerate(objects) if item.name == noun]
        (other,) = [i for i, item in enumerate(objects) if item.name == landmark]
        return [i for i in like if rules[side](i, other)]
    first = words.split()[0]
    if first in COLOURS:
        return [i for i in like if objects[i].colour in (first, None)]
    side = next(side for side in rules if side in words.split())
    return [i for i in like if all(rules[side](i, j) for j in like if j != i)]


def split_relation(words):
    for between, side in (
        (" to the left of the ", "left"),
        (" to the right of the ", "right"),
        (" above the ", "upper"),
        (" below the ", "lower"),
    ):
        if between in words:
            noun, landmark = words.split(between)
            return noun, side, landmark
    raise AssertionError(words)


def test_phrases_stand_where_they_were_put():
    sentence = compose("list", ["there is ", ("a red car", (2,)), " and ", ("a dog", ()), "."])
    assert sentence.text == "there is a red car and a dog."
    assert sentence.phrases == (Phrase(9, 18, (2,)), Phrase(23, 28, ()))
    assert sentence.text[9:18] == "a red car"


def test_context_decides():
    left, right = thing("car", (0, 50, 20, 70), "red"), thing("car", (100, 50, 140, 90), "blue")
    dog = thing("dog", (60, 50, 80, 70), "red")
    assert told([left, right, dog], 0) == {
        ("colour", "the red car"),
        ("size", "the smaller car"),
        ("side", "the car on the left"),
        ("relation", "the car to the left of the dog"),
    }
    assert told([left, right, dog], 2) == set()  # its name is enough
    last = tell_apart([left, right, dog], 1)[-1]
    assert last.phrases == (Phrase(0, 7, (1,)), Phrase(24, 31, (2,)))
    assert last.text == "the car to the right of the dog"


def test_what_context_cannot_decide_is_not_said():
    left = thing("car", (0, 50, 20, 70), "red")
    assert told([left, thing("car", (0, 55, 22, 75), "red")], 0) == set()
    # one that was given no colour may be red by nature
    assert told([left, thing("car", (0, 55, 22, 75))], 0) == set()
    # two are to the left of the dog, the second by little
    dog = thing("dog", (100, 50, 120, 70))
    two = [thing("car", (0, 50, 20, 70)), thing("car", (96, 0, 116, 20)), dog]
    assert not any(kind == "relation" for kind, _ in told(two, 0))


@pytest.mark.parametrize("block", range(4))
def test_every_expression_means_one_thing(block):
    kinds = Counter()
    for seed in range(100 * block, 100 * block + 100):
        objects = crowd(seed)
        for target in range(len(objects)):
            for sentence in tell_apart(objects, target):
                assert meant(objects, sentence) == [target], sentence.text
                assert sentence.phrases[0].objects == (target,)
                kinds[sentence.kind] += 1
    assert set(kinds) == {"colour", "size", "side", "relation"}


def test_lists_name_each_thing_once():
    for seed in range(200):
        objects = crowd(seed)
        rng = np.random.default_rng(seed)
        sentence = list_things(rng, objects, ("grass",))
        names = Counter(item.name for item in objects)
        alone = {i for i, item in enumerate(objects) if names[item.name] == 1}
        if not alone:
            assert sentence is None
            continue
        assert sentence.kind == "list"
        places = [phrase.objects for phrase in sentence.phrases]
        assert {i for (i,) in places} <= alone
        assert len(set(places)) == len(places) >= 1
        for phrase in sentence.phrases:
            words = sentence.text[phrase.start : phrase.end].split()
            item = objects[phrase.objects[0]]
            assert words in (["a", item.name], [words[0], item.colour, item.name])


def test_the_absent_is_absent():
    ways = Counter()
    for seed in range(300):
        objects = crowd(seed) if seed else []
        sentence = name_absent(np.random.default_rng(seed), objects, NAMES)
        assert sentence.kind == "absent"
        (missing,) = [phrase for phrase in sentence.phrases if not phrase.objects]
        text = sentence.text[missing.start : missing.end]
        words = text.split()
        if words[-1] in NOUNS and words[-2] in COLOURS:
            assert (words[-1], words[-2]) not in {(item.name, item.colour) for item in objects}
            assert words[-1] in {item.name for item in objects}
            ways["colour"] += 1
        else:
            name = text if text in NAMES else text.split(" ", 1)[1]
            assert name in NAMES
            assert not any(are_kin(name, item.name) for item in objects)
            ways["thing"] += 1
        for phrase in sentence.phrases:
            if phrase.objects:
                (place,) = phrase.objects
                assert objects[place].name in sentence.text[phrase.start : phrase.end]
                ways["beside something there"] += 1
    assert min(ways.values()) > 20
    assert len(ways) == 3
    assert "absent" in KINDS
