"""The classes of ``stickers-ov``: COCO's 48 base and 17 novel ones, as stickers."""

from dataclasses import dataclass

from ovdet.data.stickers.names import STICKERS
from ovdet.structures import InputError, Vocabulary

# COCO id: sticker. Where the name differs from COCO's, either the word does ("frisbee" is drawn as
# one and named so) or there is no such sticker and a neighbour in meaning stands on the same side.
_BASE = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 7: "train", 8: "truck",
    9: "sailboat",  # boat
    15: "seat",  # bench
    16: "bird", 19: "horse", 20: "sheep", 23: "bear", 24: "zebra", 25: "giraffe",
    27: "backpack", 31: "handbag", 33: "suitcase", 34: "frisbee", 35: "skis", 38: "kite",
    42: "canoe",  # surfboard
    44: "bottle",
    48: "chopsticks",  # fork
    50: "spoon", 51: "bowl", 52: "banana", 53: "apple", 54: "sandwich",
    55: "tangerine",  # orange, which is also a colour here
    56: "broccoli", 57: "carrot", 59: "pizza", 60: "donut", 62: "chair", 65: "bed",
    70: "toilet", 72: "tv", 73: "laptop",
    74: "computer mouse",  # mouse
    75: "game controller",  # remote
    78: "radio",  # microwave
    79: "frying pan",  # oven
    80: "bread",  # toaster
    82: "ice cube",  # refrigerator
    84: "book",
    85: "alarm clock",  # clock
    86: "vase", 90: "toothbrush",
}  # fmt: skip
_NOVEL = {
    5: "airplane", 6: "bus", 17: "cat", 18: "dog", 21: "cow", 22: "elephant", 28: "umbrella",
    32: "tie",
    36: "sled",  # snowboard
    41: "skateboard", 47: "cup", 49: "knife", 61: "cake", 63: "couch", 76: "keyboard",
    81: "bathtub",  # sink
    87: "scissors",
}  # fmt: skip


@dataclass(frozen=True)
class Category:
    """One class of a track.

    Attributes:
        id: As in the annotation files.
        name: The sticker's name.
        novel: Whether it is held out of training.
    """

    id: int
    name: str
    novel: bool


def ov_categories() -> tuple[Category, ...]:
    """Return the 65 classes in the order of their ids.

    Raises:
        InputError: If one of them is no sticker.
    """
    both = {**_BASE, **_NOVEL}
    if missing := [name for name in both.values() if name not in STICKERS]:
        raise InputError(f"classes must be stickers, got {missing}")
    return tuple(Category(number, both[number], number in _NOVEL) for number in sorted(both))


def as_vocabulary(categories: tuple[Category, ...]) -> Vocabulary:
    """Return the categories as a vocabulary with its base / novel mask and ids."""
    return Vocabulary(
        names=tuple(category.name for category in categories),
        novel=tuple(category.novel for category in categories),
        ids=tuple(category.id for category in categories),
    )
