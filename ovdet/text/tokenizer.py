"""CLIP's byte-pair tokenizer, run by the compiled ``tokenizers`` library."""

import gzip
import html
import importlib.util
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import regex  # type: ignore[import-untyped]
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from ovdet.structures import InputError

logger = logging.getLogger(__name__)

START = 49406
END = 49407
PAD = 0  # also the id of "!": where a text ends is told by END, never by PAD

_MERGES = 49152 - 256 - 2
# Split here and not by the compiled library, whose Unicode tables are older than open_clip's.
_WORDS = regex.compile(r"(?i)'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
_QUOTED = 80


class ClipTokenizer:
    """Text to the ids CLIP was trained on.

    Unlike open_clip's, the words ``<start_of_text>`` and ``<end_of_text>`` inside a text are read
    as plain characters, so that a class name cannot end its own sentence.

    Args:
        context: Length of every row of ids, the two markers included; at least 3.

    Raises:
        InputError: If ``context`` is too small, or open_clip's vocabulary file is not installed.
    """

    def __init__(self, context: int = 77) -> None:
        if context < 3:
            raise InputError(f"context must be at least 3 tokens, got {context}")
        self.context = context
        self._bpe = _load_bpe()
        self._warned: set[str] = set()

    def __call__(self, texts: Sequence[str], names: Sequence[str] | None = None) -> Tensor:
        """Turn N texts into ids.

        A text too long for the context is cut as CLIP does, the last id made END, and a warning
        quotes it once.

        Args:
            texts: N texts.
            names: What a warning calls each text; the texts themselves by default.

        Returns:
            [N, context], int64: START, the text, END, then PAD.
        """
        rows = torch.full((len(texts), self.context), PAD, dtype=torch.int64)
        for i, text in enumerate(texts):
            ids = self.pieces(text)
            if len(ids) > self.context - 2:
                self._warn(text if names is None else names[i], len(ids))
                ids = ids[: self.context - 2]
            rows[i, : len(ids) + 2] = torch.tensor([START, *ids, END])
        return rows

    def pieces(self, text: str) -> list[int]:
        """Return the ids of a text, without markers and however many they are."""
        ids: list[int] = self._bpe.encode(_WORDS.findall(clean(text)), is_pretokenized=True).ids
        return ids

    def _warn(self, name: str, tokens: int) -> None:
        if name in self._warned:
            return
        self._warned.add(name)
        quoted = name if len(name) <= _QUOTED else f"{name[:_QUOTED]}..."
        room = self.context - 2
        logger.warning("text has %d tokens, cut to the first %d: %r", tokens, room, quoted)


def lengths(ids: Tensor) -> Tensor:
    """Return for each row of ids [N, T] how many it has up to its END, START and END included.

    Beyond the longest of them the rows may be cropped where a tower is causal.
    """
    return (ids == END).int().argmax(dim=1) + 1


def clean(text: str) -> str:
    """Repair mis-decoded characters and HTML entities, collapse white space, lower the case.

    Raises:
        InputError: If the text holds half a character, as undecodable command lines do.
    """
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"text must be valid Unicode, got {text!r}")
    if not (text.isascii() and text.isprintable() and "&" not in text):
        from ftfy import fix_text

        text = html.unescape(html.unescape(fix_text(text)))
    return " ".join(text.split()).lower()


@cache
def _load_bpe() -> Tokenizer:
    merges = _read_merges()
    symbols = _byte_symbols()
    words = [*symbols, *(s + "</w>" for s in symbols), *(a + b for a, b in merges)]
    vocabulary = {word: i for i, word in enumerate(words)}
    bpe = Tokenizer(BPE(vocabulary, merges, end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    return bpe


def _read_merges() -> list[tuple[str, str]]:
    # find_spec does not run open_clip, whose import takes seconds.
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise InputError("CLIP's vocabulary comes with the package open_clip_torch: install it")
    path = Path(spec.origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: CLIP's vocabulary cannot be read: {error}") from error
    pairs = (line.split() for line in lines[1 : _MERGES + 1])
    return [(first, second) for first, second in pairs]


def _byte_symbols() -> list[str]:
    # GPT-2's visible stand-ins for the 256 bytes: printable ones first, the others from 256 on.
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    kept += range(ord("®"), ord("ÿ") + 1)
    others = 256 - len(kept)
    return [chr(code) for code in (*kept, *range(256, 256 + others))]
