"""Wording: true sentences about a scene, in several ways."""

from collections.abc import Sequence

from numpy.random import Generator

from ovdet.data.stickers.chance import pick
from ovdet.data.stickers.names import with_article
from ovdet.data.stickers.scenes import Placed

_PLACES = {
    "grass": ("on grass", "on the grass"),
    "desert": ("in the desert", "on desert sand"),
    "water": ("on water", "in the water"),
    "sky": ("in the sky", "against the sky"),
    "snow": ("in the snow", "on snow"),
    "brick": ("against a brick wall", "in front of bricks"),
    "wood": ("on wood", "on wooden planks"),
    "road": ("on a road", "on the road"),
    "leaves": ("among leaves", "in front of leaves"),
    "night": ("at night", "in the night"),
}
_FRAMES = (
    "{}", "{}", "{}", "a photo of {}", "a photo of {}", "a picture of {}", "an image of {}",
    "a sticker of {}", "a close-up of {}", "a blurry photo of {}", "this is {}", "there is {}",
)  # fmt: skip
_PAIR_FRAMES = ("{}", "{}", "a photo of {}", "a picture of {}", "a scene with {}", "there is {}")


def phrase(rng: Generator, thing: Placed, *, article: bool = True) -> str:
    """Name one object, mostly with the colour if it was given one: "a red car"."""
    words = thing.name
    if thing.colour is not None and rng.random() < 0.8:
        words = f"{thing.colour} {words}"
    return with_article(words, thing.name) if article else words


def place(rng: Generator, backgrounds: Sequence[str]) -> str:
    """Say where: "on grass", or "below the sky, on water" where two kinds of stuff meet."""
    if len(backgrounds) == 1:
        return pick(rng, _PLACES[backgrounds[0]])
    return f"with {backgrounds[0]} above {backgrounds[1]}"


def relation(first: Placed, second: Placed) -> str | None:
    """Say where the first object stands from the second, None when that is not clear."""
    across = (first.box[0] + first.box[2] - second.box[0] - second.box[2]) / 2
    down = (first.box[1] + first.box[3] - second.box[1] - second.box[3]) / 2
    reach = max(_longer(first), _longer(second)) / 2
    if max(abs(across), abs(down)) < reach:
        return None
    if abs(across) > 1.5 * abs(down):
        return "to the right of" if across > 0 else "to the left of"
    if abs(down) > 1.5 * abs(across):
        return "below" if down > 0 else "above"
    return None


def _longer(thing: Placed) -> int:
    return max(thing.box[2] - thing.box[0], thing.box[3] - thing.box[1])


def describe(
    rng: Generator,
    things: Sequence[Placed],
    backgrounds: Sequence[str],
    *,
    told_place: float = 0.35,
) -> str:
    """Write one true sentence that names every one of ``things``.

    Args:
        rng: Chooses order, frame and what else is told.
        things: The objects to name; may be empty.
        backgrounds: The stuff, from top to bottom.
        told_place: Share of sentences that also say where.
    """
    where = f" {place(rng, backgrounds)}" if rng.random() < told_place else ""
    stop = "." if rng.random() < 0.3 else ""
    if not things:
        return f"an empty scene {place(rng, backgrounds)}"
    if len(things) == 1:
        return pick(rng, _FRAMES).format(phrase(rng, things[0])) + where + stop
    order = [things[i] for i in rng.permutation(len(things)).tolist()]
    between = relation(order[0], order[1]) if len(order) == 2 and rng.random() < 0.5 else None
    words = [phrase(rng, thing) for thing in order]
    if between is not None:
        return f"{words[0]} {between} {words[1]}{where}{stop}"
    listed = f"{', '.join(words[:-1])} and {words[-1]}"
    return pick(rng, _PAIR_FRAMES).format(listed) + where + stop
