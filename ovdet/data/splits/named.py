"""Vocabularies by name, kept as data in the JSON files beside this one.

A file says where its list comes from, its terms, its version and what it counts. It holds either
``classes``, one object a class, or which classes of another file (``of``) are on the ``base`` and
which on the ``novel`` side. Zero-shot segmentation calls the sides seen and unseen.
"""

import difflib
from functools import cache
from pathlib import Path
from typing import Any

from ovdet.structures import InputError, Vocabulary, read_json

_FOLDER = Path(__file__).parent
_MARK = "@"
_FACTS = {
    "synonyms": "synonyms",
    "description": "descriptions",
    "novel": "novel",
    "frequency": "frequency",
}


@cache
def names() -> tuple[str, ...]:
    """Return the names that :func:`vocabulary` knows, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def vocabulary(name: str) -> Vocabulary:
    """Return a published vocabulary, in the order of its data set.

    Args:
        name: One of :func:`names`, such as ``lvis-v1``; as on command lines, it may begin with @.

    Returns:
        The classes as their data set spells them (the files list the few corrections), with the
        data set's ids; base / novel, frequency, synonyms and descriptions where it has them.

    Raises:
        InputError: If there is no vocabulary of that name.
    """
    plain = name.removeprefix(_MARK)
    if plain not in names():
        close = difflib.get_close_matches(plain.lower(), names(), n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names())}"
        raise InputError(f"unknown vocabulary '{plain}'; {hint}")
    record = read_json(_FOLDER / f"{plain}.json")
    if "of" in record:
        return _divide(vocabulary(record["of"]), record["base"], record["novel"])
    return _build(record["classes"])


def read_vocabulary(source: str | Path) -> Vocabulary:
    """Return the vocabulary that a command line or a config names.

    Args:
        source: ``@lvis-v1`` and the like for a published one, else the path of a vocabulary file.

    Raises:
        InputError: If there is no such vocabulary, or the file is not one.
    """
    text = str(source)
    return vocabulary(text) if text.startswith(_MARK) else Vocabulary.load(source)


def _build(classes: list[dict[str, Any]]) -> Vocabulary:
    facts: dict[str, Any] = {
        fact: tuple(tuple(c[key]) if key == "synonyms" else c[key] for c in classes)
        for key, fact in _FACTS.items()
        if key in classes[0]
    }
    ids = tuple(c["id"] for c in classes)
    return Vocabulary(tuple(c["name"] for c in classes), ids=ids, **facts)


def _divide(whole: Vocabulary, base: list[str], novel: list[str]) -> Vocabulary:
    """Return the classes of ``whole`` that have a side, in its order."""
    side = dict.fromkeys(base, False) | dict.fromkeys(novel, True)
    kept = [i for i, name in enumerate(whole.names) if name in side]
    return Vocabulary(
        tuple(whole.names[i] for i in kept),
        synonyms=tuple(whole.synonyms[i] for i in kept if whole.synonyms),
        novel=tuple(side[whole.names[i]] for i in kept),
        ids=tuple(whole.category_ids[i] for i in kept),
    )
