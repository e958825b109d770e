"""Class names as one text for a tower of BERT's kind, and which of its tokens are whose.

Each name is tokenised by itself and followed by a full stop, as the models were trained. Where a
name stands is known by construction, so nothing has to be recovered from pieces of words, and
names come back as they were given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ovdet.structures import InputError
from ovdet.text import clean_names

_STOPS = str.maketrans(".?", "  ")  # the models see a phrase end at each of them
STOP = "."


@dataclass(frozen=True)
class Prompt:
    """Some names in one text.

    Attributes:
        rows: Which names of the list.
        ids: L token ids, markers and full stops included.
        places: The places of the tokens that belong to names.
        owners: The name of each of those, counted from ``rows.start``.
    """

    rows: range
    ids: tuple[int, ...]
    places: tuple[int, ...]
    owners: tuple[int, ...]


class Prompts:
    """Writes names into texts that a tower can read.

    Args:
        tokenizer: transformers' tokenizer, with a token for the beginning and one for the end.
        most: Most tokens of a text, markers and full stops included.
    """

    def __init__(self, tokenizer: Any, most: int) -> None:
        self.tokenizer = tokenizer
        self.most = most
        self._stop: int = tokenizer.convert_tokens_to_ids(STOP)
        self._last: tuple[tuple[str, ...], list[Prompt]] = ((), [])

    def cut(self, names: Sequence[str]) -> list[Prompt]:
        """Return the texts that C names fill, each as many as there is room for, in their order.

        Args:
            names: C names; whoever wants the same texts whatever the order hands over sorted ones.

        Raises:
            InputError: If a name has no words, or more than a text can hold.
        """
        if self._last[0] != tuple(names):
            self._last = (tuple(names), self._cut(names))
        return self._last[1]

    def _cut(self, names: Sequence[str]) -> list[Prompt]:
        pieces = self._pieces(names)
        prompts: list[Prompt] = []
        start, used = 0, 2
        for row, own in enumerate(pieces):
            if used + len(own) + 1 > self.most:
                prompts.append(self._write(range(start, row), pieces))
                start, used = row, 2
            used += len(own) + 1
        return [*prompts, self._write(range(start, len(names)), pieces)]

    def _pieces(self, names: Sequence[str]) -> list[list[int]]:
        words = [name.translate(_STOPS) for name in clean_names(names)]
        pieces: list[list[int]] = self.tokenizer(words, add_special_tokens=False)["input_ids"]
        for name, own in zip(names, pieces, strict=True):
            if not own:
                raise InputError(f"class {name!r} has no word that the text tower can read")
            if len(own) + 3 > self.most:
                raise InputError(
                    f"the text tower reads {self.most} tokens, class {name!r} needs {len(own) + 3}"
                )
        return pieces

    def _write(self, rows: range, pieces: Sequence[Sequence[int]]) -> Prompt:
        ids, places, owners = [int(self.tokenizer.cls_token_id)], list[int](), list[int]()
        for row in rows:
            places += range(len(ids), len(ids) + len(pieces[row]))
            owners += [row - rows.start] * len(pieces[row])
            ids += [*pieces[row], self._stop]
        ids.append(int(self.tokenizer.sep_token_id))
        return Prompt(rows, tuple(ids), tuple(places), tuple(owners))
