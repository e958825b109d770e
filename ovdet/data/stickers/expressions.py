"""Expressions: sentences whose phrases stand for certain objects of a scene and for no others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from numpy.random import Generator

from ovdet.data.stickers.chance import count_between, pick
from ovdet.data.stickers.kin import draw_apart
from ovdet.data.stickers.names import with_article
from ovdet.data.stickers.patches import COLOURS
from ovdet.data.stickers.scenes import Placed
from ovdet.data.stickers.wording import phrase, place, relation

KINDS = ("list", "colour", "size", "side", "relation", "absent")
"""What a sentence does: name things, tell one from its like in four ways, name what is missing."""

_LARGER = 1.4  # ratio of the longer sides from which one thing is called the larger one
_FRAMES = ("", "", "a photo of ", "a picture of ", "there is ")
_SIDES = {
    "to the left of": "the {} on the left",
    "to the right of": "the {} on the right",
    "above": "the upper {}",
    "below": "the lower {}",
}

Piece = str | tuple[str, tuple[int, ...]]  # words, or a phrase and the objects it stands for


@dataclass(frozen=True)
class Phrase:
    """A part of a sentence that stands for objects.

    Attributes:
        start: Its first character.
        end: The character after its last.
        objects: Their places in the scene; empty when the scene shows no such thing.
    """

    start: int
    end: int
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Sentence:
    """Words about a scene.

    Attributes:
        text: The sentence.
        kind: One of ``KINDS``.
        phrases: In the order of the text; they do not overlap.
    """

    text: str
    kind: str
    phrases: tuple[Phrase, ...]


def compose(kind: str, pieces: Sequence[Piece]) -> Sentence:
    """Join pieces into a sentence and note where its phrases stand."""
    text, phrases = "", []
    for piece in pieces:
        words = piece if isinstance(piece, str) else piece[0]
        if not isinstance(piece, str):
            phrases.append(Phrase(len(text), len(text) + len(words), piece[1]))
        text += words
    return Sentence(text, kind, tuple(phrases))


def list_things(
    rng: Generator, objects: Sequence[Placed], backgrounds: Sequence[str]
) -> Sentence | None:
    """Name one to four things that are the only ones of their name; None where there are none."""
    alone = [i for i, thing in enumerate(objects) if len(_like(objects, thing)) == 1]
    if not alone:
        return None
    order = rng.permutation(alone).tolist()[: count_between(rng, 1, 4)]
    named = [(phrase(rng, objects[i]), (i,)) for i in order]
    between = relation(objects[order[0]], objects[order[1]]) if len(order) == 2 else None
    where = f" {place(rng, backgrounds)}" if rng.random() < 0.35 else ""
    return compose("list", [pick(rng, _FRAMES), *_joined(named, between), where])


def _joined(named: Sequence[Piece], between: str | None) -> Iterator[Piece]:
    """Yield the phrases with what stands between two: a relation, a comma, "and"."""
    last = f" {between or 'and'} "
    for number, piece in enumerate(named):
        if number:
            yield last if number == len(named) - 1 else ", "
        yield piece


def tell_apart(objects: Sequence[Placed], target: int) -> list[Sentence]:
    """Return all that singles out one object among others of its name.

    The name alone does not: which object is meant is decided by its colour, its size, its side,
    or what it stands next to. Empty where it is the only one of its name.

    Args:
        objects: All objects of the scene.
        target: The place of the one that is meant.
    """
    thing = objects[target]
    like = [objects[i] for i in _like(objects, thing) if i != target]
    if not like:
        return []
    told = [*_by_colour(thing, like), *_by_size(thing, like), *_by_side(thing, like)]
    sentences = [compose(kind, [(words, (target,))]) for kind, words in told]
    for other, landmark in enumerate(objects):
        between = relation(thing, landmark)
        if between is None or len(_like(objects, landmark)) > 1:
            continue
        if not any(_leans(rival, landmark, between) for rival in like):
            near: Piece = (f"the {landmark.name}", (other,))
            pieces: list[Piece] = [(f"the {thing.name}", (target,)), f" {between} ", near]
            sentences.append(compose("relation", pieces))
    return sentences


def _leans(thing: Placed, landmark: Placed, between: str) -> bool:
    """Tell whether a thing lies on that side of a landmark, however little and however far off."""
    across = thing.box[0] + thing.box[2] - landmark.box[0] - landmark.box[2]
    down = thing.box[1] + thing.box[3] - landmark.box[1] - landmark.box[3]
    way = {"to the left of": -across, "to the right of": across, "above": -down, "below": down}
    return way[between] > 0


def _like(objects: Sequence[Placed], thing: Placed) -> list[int]:
    return [i for i, other in enumerate(objects) if other.name == thing.name]


def _by_colour(thing: Placed, like: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    colours = {other.colour for other in like}
    # one that was given no colour has its natural one, which may be the same
    if None not in colours | {thing.colour} and thing.colour not in colours:
        yield "colour", f"the {thing.colour} {thing.name}"


def _by_size(thing: Placed, like: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    if len(like) > 1:
        return
    ratio = _side(thing) / _side(like[0])
    if max(ratio, 1 / ratio) >= _LARGER:
        yield "size", f"the {'larger' if ratio > 1 else 'smaller'} {thing.name}"


def _side(thing: Placed) -> int:
    return max(thing.box[2] - thing.box[0], thing.box[3] - thing.box[1])


def _by_side(thing: Placed, like: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    between = relation(thing, like[0]) if len(like) == 1 else None
    if between is not None:
        yield "side", _SIDES[between].format(thing.name)


def name_absent(rng: Generator, objects: Sequence[Placed], names: Sequence[str]) -> Sentence:
    """Name something that the scene does not show: another thing, or one in another colour.

    Args:
        rng: Source of every choice.
        objects: All objects of the scene.
        names: What may be named.
    """
    missing = draw_apart(rng, names, {thing.name for thing in objects})
    pieces: list[Piece] = [(with_article(missing, missing), ())]
    alone = [i for i, thing in enumerate(objects) if len(_like(objects, thing)) == 1]
    coloured = _wrongly_coloured(rng, objects)
    way = rng.random()
    if way < 0.4 and coloured is not None:
        pieces = [(coloured, ())]
    elif way < 0.7 and alone:
        i = pick(rng, alone)
        there: Piece = (phrase(rng, objects[i]), (i,))
        pieces = [*pieces, " and ", there] if rng.random() < 0.5 else [there, " and ", *pieces]
    return compose("absent", [pick(rng, _FRAMES), *pieces])


def _wrongly_coloured(rng: Generator, objects: Sequence[Placed]) -> str | None:
    """Return a thing of the scene in a colour that none of its like has."""
    if not objects:
        return None
    name = pick(rng, objects).name
    colours = {thing.colour for thing in objects if thing.name == name}
    if None in colours:
        return None
    colour = pick(rng, [colour for colour in COLOURS if colour not in colours])
    return with_article(f"{colour} {name}", name)
