"""Captions: names or phrases in one text, and which of its tokens are whose.

A caption is put together from pieces that are tokenised one by one, so that where a name stands is
known by construction; nothing is searched for in the finished text, where "container" would be
found in "containernumber". Letters: C phrases, L tokens of a caption.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ovdet.structures import InputError
from ovdet.text.prompts import clean_names
from ovdet.text.tokenizer import END, START, ClipTokenizer

NOBODY = -1
"""The owner of a token that belongs to no phrase: markers, full stops, the words between."""

_MODES = ("binary", "soft")


@dataclass(frozen=True)
class Caption:
    """A text with its tokens.

    Attributes:
        text: The whole.
        spans: For each of the C phrases its first character and the one after its last.
        ids: L token ids, START first and END last.
        owners: For each token the phrase it belongs to, or ``NOBODY``.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    ids: tuple[int, ...]
    owners: tuple[int, ...]

    @property
    def token_spans(self) -> tuple[tuple[int, int], ...]:
        """For each phrase its first token and the one after its last."""
        found = []
        for phrase in range(len(self.spans)):
            places = [place for place, owner in enumerate(self.owners) if owner == phrase]
            found.append((places[0], places[-1] + 1) if places else (0, 0))
        return tuple(found)


def compose_caption(pieces: Sequence[tuple[str, bool]], tokenizer: ClipTokenizer) -> Caption:
    """Join pieces into a caption.

    Pieces must end where words end: each is tokenised by itself.

    Args:
        pieces: Texts, and of each whether it is a phrase; phrases are numbered as they come.
        tokenizer: Whose ids are wanted.
    """
    text, spans = "", list[tuple[int, int]]()
    ids, owners = [START], [NOBODY]
    for words, is_phrase in pieces:
        own = tokenizer.pieces(words)
        owners += [len(spans) if is_phrase else NOBODY] * len(own)
        ids += own
        if is_phrase:
            spans.append((len(text), len(text) + len(words)))
        text += words
    return Caption(text, tuple(spans), (*ids, END), (*owners, NOBODY))


def crop_caption(caption: Caption, context: int) -> Caption:
    """Return a caption's tokens, cut to a context around its only phrase where there are too many.

    The end goes first, then as much of the beginning as the phrase needs; ``text`` stays whole.

    Args:
        caption: With one phrase.
        context: Most tokens, markers included.

    Raises:
        InputError: If the phrase itself is too long.
    """
    if len(caption.ids) <= context:
        return caption
    ((start, end),), ((first, last),) = caption.token_spans, caption.spans
    if end - start + 2 > context:
        raise InputError(
            f"the text tower reads {context} tokens, got {end - start + 2} for "
            f"'{caption.text[first:last]}'"
        )
    low = max(1, end - (context - 2))
    kept = slice(low, low + context - 2)
    ids, owners = (START, *caption.ids[kept], END), (NOBODY, *caption.owners[kept], NOBODY)
    return Caption(caption.text, caption.spans, ids, owners)


def close_phrase(caption: Caption) -> Caption:
    """Return a caption with END behind its only phrase, and that token alone the phrase's own.

    A tower that was trained to say at END what it has read, and that reads from left to right,
    says there what it would say to a text that ends with the phrase.
    """
    ((_, end),) = caption.token_spans
    rest = caption.ids[end:]
    if rest[0] != END:
        rest = (END, *rest)
    ids = (*caption.ids[:end], *rest)
    owners = tuple(0 if place == end else NOBODY for place in range(len(ids)))
    return Caption(caption.text, caption.spans, ids, owners)


def write_names(
    names: Sequence[str], tokenizer: ClipTokenizer, *, separator: str = ". "
) -> Caption:
    """Write class names into one caption: "traffic light. kite. dog".

    Names are cleaned as they are everywhere else (no underscores, no parentheses).

    Args:
        names: C names; phrase c of the caption is name c.
        tokenizer: Whose ids are wanted.
        separator: What stands between two names; its tokens belong to none.
    """
    pieces: list[tuple[str, bool]] = []
    for name in clean_names(names):
        pieces += [(separator, False), (name, True)] if pieces else [(name, True)]
    return compose_caption(pieces, tokenizer)


def positive_map(caption: Caption, *, mode: str = "binary") -> Tensor:
    """Return which tokens are positive for which phrase, [C, L].

    Args:
        caption: C phrases in L tokens.
        mode: ``binary`` gives 1 to each token of a phrase, ``soft`` 1 / n to each of its n tokens.
            The two conventions ask for different losses: weights of one do not fit the other.

    Raises:
        ValueError: If the mode is neither.
    """
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {_MODES}, got {mode!r}")
    owners = torch.tensor(caption.owners)
    own = (owners == torch.arange(len(caption.spans))[:, None]).float()
    return own if mode == "binary" else own / own.sum(dim=1, keepdim=True).clamp(min=1)


def cut_names(
    names: Sequence[str], tokenizer: ClipTokenizer, *, tokens: int, most: int | None = None
) -> list[range]:
    """Cut a list of names into runs whose captions fit a context. Nothing is encoded for it.

    The runs follow the order of the names; whoever wants the same runs whatever the order hands
    over sorted names.

    Args:
        names: C names.
        tokenizer: Counts.
        tokens: Most tokens of a caption, markers and full stops included.
        most: Most names of a caption.

    Returns:
        Ranges that cover 0 to C - 1.

    Raises:
        InputError: If a name alone is too long for a caption.
    """
    stop = len(tokenizer.pieces(". "))
    runs: list[range] = []
    start, used = 0, 2
    for row, name in enumerate(clean_names(names)):
        own = len(tokenizer.pieces(name))
        if own + 2 > tokens:
            raise InputError(f"a caption has {tokens} tokens, '{name}' alone needs {own + 2}")
        full = used + (stop if row > start else 0) + own > tokens
        if full or row - start == (most or len(names)):
            runs.append(range(start, row))
            start, used = row, 2
        used += own + (stop if row > start else 0)
    return [*runs, range(start, len(names))] if names else []
