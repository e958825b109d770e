"""Tokens other than CLIP's, through transformers' tokenizer of a folder."""

import hashlib
import html
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ovdet.structures import InputError

_FILES = ("tokenizer.json", "spiece.model", "tokenizer.model")
_FAULTS = (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError)
_PROBE = "This is a photo of 2 Cats, (red) -- and a d\u00e9j\u00e0-vu!"
_NO_MARKS = str.maketrans("", "", string.punctuation)


class FolderTokenizer:
    """Text to rows of ids of one length, as SigLIP's towers read them.

    Args:
        folder: With transformers' files of a tokenizer.
        context: T, the length of a row: longer texts are cut, shorter ones padded.
        canonical: Whether texts lose their case and punctuation first, where the tokenizer was
            stored without doing so itself (open_clip's folders).

    Raises:
        InputError: If the folder holds no tokenizer or one that cannot be used.
    """

    def __init__(self, folder: Path, context: int, *, canonical: bool = False) -> None:
        from transformers import AutoTokenizer

        # Asked first: without any, some versions of transformers make an empty tokenizer.
        if not any((folder / name).is_file() for name in _FILES):
            raise InputError(f"{folder}: must hold the model's tokenizer, {' or '.join(_FILES)}")
        try:
            self._inner: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        except _FAULTS as error:
            first = str(error).strip().split("\n")[0] or type(error).__name__
            raise InputError(f"{folder}: its tokenizer: {first}") from error
        self.context = context
        self.canonical = canonical

    def __call__(self, texts: Sequence[str], names: Sequence[str] | None = None) -> Tensor:  # noqa: ARG002
        """Turn N texts into ids [N, T], int64; long ones are cut, as in training."""
        cleaned = [_canonical(text) for text in texts] if self.canonical else list(texts)
        ids: Tensor = self._inner(
            cleaned,
            return_tensors="pt",
            max_length=self.context,
            padding="max_length",
            truncation=True,
        )["input_ids"]
        return ids

    def fingerprint(self) -> str:
        """Return a hash of the vocabulary and of how a sentence is read."""
        known = sorted(self._inner.get_vocab().items())
        said = f"{known} {self([_PROBE]).tolist()} {self.canonical}"
        return hashlib.sha256(said.encode()).hexdigest()


def _canonical(text: str) -> str:
    """Return a text as SigLIP's was cleaned: no case, no punctuation, single spaces."""
    from ftfy import fix_text

    plain = html.unescape(html.unescape(fix_text(text))).replace("_", " ")
    return " ".join(plain.translate(_NO_MARKS).lower().split())
