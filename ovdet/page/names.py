"""Names to propose while somebody types, from the vocabularies that ovdet knows."""

from functools import cache

from ovdet.data.splits import names as vocabularies
from ovdet.data.splits import vocabulary
from ovdet.data.stickers.names import STICKERS

_EVERYDAY = "coco"
_MOST = 8


@cache
def known() -> tuple[str, ...]:
    """Return every name of every published vocabulary and of the stickers, each once.

    The everyday ones come first. Names are written as people write them: ``traffic light`` for
    ``Traffic_Light``.
    """
    others = (name for source in vocabularies() for name in vocabulary(source).names)
    spelt = (*vocabulary(_EVERYDAY).names, *STICKERS, *others)
    plain = (" ".join(name.replace("_", " ").lower().split()) for name in spelt)
    return tuple(dict.fromkeys(plain))


def suggest(text: str, most: int = _MOST) -> list[str]:
    """Return the names that somebody may be typing, the likeliest first.

    Args:
        text: What was typed so far; blank text suggests nothing.
        most: Most names to return.

    Returns:
        The name itself, names that begin with the text, those with a word that does, and those
        that hold it elsewhere, each in the order of ``known``.
    """
    begun = " ".join(text.lower().split())
    if not begun:
        return []
    fitting = [name for name in known() if begun in name]
    return sorted(fitting, key=lambda name: _distance(name, begun))[:most]


def _distance(name: str, begun: str) -> int:
    if name.startswith(begun):
        return int(name != begun)
    return 2 if f" {begun}" in name else 3
