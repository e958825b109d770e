"""Names to sentences: cleaning, and template sets kept as data in ``templates.json``.

A template holds ``{}`` where the name goes and may hold ``{article}``, which becomes ``a`` or
``an``. The sets: ``single``; ``vild63``, ViLD's, with its rule "a sentence that opens with a or
the is led in by This is" written out; ``clip80``, CLIP's for ImageNet, and ``clip7``, the seven of
them that help most; ``detic``; ``none``.
"""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ovdet.structures import InputError, read_json

_QUALIFIER = re.compile(r"\([^()]*\)")
_VOWELS = "aeiou"


def load_templates(templates: str | Sequence[str]) -> tuple[str, ...]:
    """Return a template set.

    Args:
        templates: The name of a set in ``templates.json``, or templates of one's own.

    Returns:
        T templates.

    Raises:
        InputError: If the set is unknown or empty, or a template has no ``{}``.
    """
    if isinstance(templates, str):
        sets = _read_sets()
        if templates not in sets:
            close = difflib.get_close_matches(templates, sets, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else f"; known: {sorted(sets)}"
            raise InputError(f"unknown template set '{templates}'{hint}")
        return sets[templates]
    if not templates:
        raise InputError("templates must hold at least one, got none")
    for i, template in enumerate(templates):
        if not isinstance(template, str) or "{}" not in template:
            raise InputError(f"template {i} must be text with a {{}} in it, got {template!r}")
    return tuple(templates)


def fill(templates: Sequence[str], name: str) -> list[str]:
    """Return the T sentences about one cleaned name.

    The article is ``an`` before a written vowel, as in ViLD: "hour" gets "a hour".
    """
    article = "an" if name[:1].lower() in _VOWELS and name else "a"
    return [t.replace("{article}", article).replace("{}", name) for t in templates]


def clean_names(names: Sequence[str]) -> list[str]:
    """Turn class names as data sets write them into words.

    ``_`` becomes a space and ``/`` becomes "or"; case, outer blanks and a closing full stop go.
    A qualifier in parentheses is dropped, unless two of the names would then read the same (LVIS
    has five such pairs: bow_(weapon), bow_(decorative_ribbons)) or nothing would be left: there
    it stays as words, "bow weapon".

    Args:
        names: N names. The same one may stand more than once.

    Returns:
        N words, none blank; a name of nothing but such marks is returned stripped.
    """
    short = {name: _tidy(_QUALIFIER.sub(" ", name)) for name in names}
    uses = Counter(short.values())
    return [
        short[name]
        if short[name] and (uses[short[name]] == 1 or "(" not in name)
        else _tidy(name.replace("(", " ").replace(")", " ")) or name.strip()
        for name in names
    ]


def _tidy(name: str) -> str:
    words = name.replace("_", " ").replace("/", " or ").lower().split()
    return " ".join(words).rstrip(".").rstrip()


@cache
def _read_sets() -> dict[str, tuple[str, ...]]:
    sets = read_json(Path(__file__).with_name("templates.json"))
    return {name: tuple(templates) for name, templates in sets.items()}
