"""Names of the stickers: which glyphs are objects, and what people call them.

The characters are listed in ``names.json``, so that a newer font or a newer Unicode adds nothing
by itself: one seed must give the same world everywhere. A name is the character's Unicode name in
lower case, unless the table of renames knows the everyday word ("bear face" is a bear).
"""

import json
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ovdet.structures import InputError


def _read_table() -> dict[str, Any]:
    text = (files("ovdet.data.stickers") / "names.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def clean_name(character: str, renames: Mapping[str, str]) -> str:
    """Return the everyday name of one character.

    Args:
        character: One code point.
        renames: Lower-case Unicode names to everyday names.
    """
    name = unicodedata.name(character).lower()
    return renames.get(name, name)


def _name_all(table: Mapping[str, Any]) -> dict[str, str]:
    named: dict[str, str] = {}
    for character in "".join(table["characters"]):
        name = clean_name(character, table["renames"])
        if name in named:
            raise InputError(
                f"sticker names must be distinct, got {name!r} for "
                f"both {named[name]} and {character}"
            )
        named[name] = character
    return named


_TABLE = _read_table()

STICKERS: dict[str, str] = _name_all(_TABLE)
"""Name to character, in the order of the code points: everything that can be asked for."""

HELD_OUT: tuple[str, ...] = tuple(_TABLE["held_out"])
"""Twenty objects nobody has seen: kept out of every training, and of every track but
``stickers-new``, from which a trained model is taught two of them."""

NAMES: tuple[str, ...] = tuple(name for name in STICKERS if name not in set(HELD_OUT))
"""All names that tracks and training may use."""

DISTRACTORS: str = _TABLE["distractors"]
"""Glyphs without an everyday name; pieces of them are the unnamed clutter."""

BARE: frozenset[str] = frozenset(_TABLE["bare"])
"""Names that take no article: plurals, masses, proper names."""


def with_article(words: str, name: str) -> str:
    """Return ``words`` with the article that English wants.

    Args:
        words: What stands after the article, such as "orange kite".
        name: The object's name within ``words``; decides whether there is an article at all.
    """
    if name in BARE:
        return words
    # "u" sounds like a vowel in "umbrella" and not in "unicorn"
    vowel = words[0] in "aeio" or (words[0] == "u" and not words.startswith("uni"))
    return f"{'an' if vowel or words.startswith('x-') else 'a'} {words}"
