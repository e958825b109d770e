"""Names to propose while somebody types, from the vocabularies that ovdet knows."""

from functools import cache

from ovdet.data.splits import names as vocabularies
from ovdet.data.splits import vocabulary
from ovdet.data.stickers.names import STICKERS

_FIRST = ("coco", "lvis-v1")  # everyday words come before those of scenes
_MOST = 8


@cache
def known() -> tuple[str, ...]:
    """Return every name of every published vocabulary and of the stickers, each once.

    Names are written as people write them: ``traffic light`` for ``Traffic_Light``.
    """
    order = sorted(vocabularies(), key=lambda name: (name not in _FIRST, name))
    spelt = [name for source in order for name in vocabulary(source).names]
    plain = (" ".join(name.replace("_", " ").lower().split()) for name in [*spelt, *STICKERS])
    return tuple(dict.fromkeys(plain))


def suggest(text: str, most: int = _MOST) -> list[str]:
    """Return the names that somebody may be typing, the likeliest first.

    Args:
        text: What was typed so far; blank text suggests nothing.
        most: Most names to return.

    Returns:
        Names that begin with the text, then those with a word that does, then those that hold it
        elsewhere; the shorter before the longer.
    """
    begun = " ".join(text.lower().split())
    if not begun:
        return []
    fitting = [name for name in known() if begun in name]
    return sorted(fitting, key=lambda name: (_distance(name, begun), len(name), name))[:most]


def _distance(name: str, begun: str) -> int:
    if name.startswith(begun):
        return 0
    return 1 if f" {begun}" in name else 2
