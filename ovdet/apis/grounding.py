"""Sentences with phrases: what is marked in a text, and what of it a model finds."""

import re
from dataclasses import dataclass, replace

from ovdet.structures import InputError, PhraseVocabulary, Sample, Vocabulary


@dataclass(frozen=True)
class Sentence:
    """A sentence and the phrases in it that are asked for.

    Attributes:
        text: The sentence.
        spans: For each phrase its first character and the one after its last.
    """

    text: str
    spans: tuple[tuple[int, int], ...]

    @property
    def vocabulary(self) -> Vocabulary:
        """The phrases as classes; where two are the same words, each within its sentence."""
        parts = [(self.text[:a], self.text[a:b], self.text[b:]) for a, b in self.spans]
        phrases = [words for _, words, _ in parts]
        if len(set(phrases)) == len(phrases):
            return Vocabulary.of(phrases)
        return PhraseVocabulary.of_wordings(parts)

    def ask(self, sample: Sample) -> Sample:
        """Return the sample with the sentence as what it is asked for."""
        return replace(sample, captions=(self.text,), phrases=self.spans)


def read_sentence(marked: str) -> Sentence:
    """Read a sentence whose phrases stand in square brackets: ``[a dog] left of [the red car]``.

    A sentence without brackets is one phrase.

    Raises:
        InputError: If it is not text or blank, a phrase is blank, or brackets do not come in pairs.
    """
    if not isinstance(marked, str) or not marked.strip():
        raise InputError(f"the text must be a sentence, got {marked!r}")
    if not re.search(r"[\[\]]", marked):
        text = marked.strip()
        return Sentence(text, ((0, len(text)),))
    text, spans, start = "", list[tuple[int, int]](), -1
    for piece in re.split(r"([\[\]])", marked):
        if piece not in {"[", "]"}:
            text += piece
            continue
        if (piece == "[") is not (start < 0):
            raise InputError(f"brackets must come in pairs and not nested, got {marked!r}")
        if piece == "]":
            spans.append(_trimmed(text, start, marked))
        start = len(text) if piece == "[" else -1
    if start >= 0:
        raise InputError(f"brackets must come in pairs and not nested, got {marked!r}")
    return Sentence(text, tuple(spans))


def _trimmed(text: str, start: int, marked: str) -> tuple[int, int]:
    """Return the span from ``start`` to the end of a text, without the spaces around it."""
    words = text[start:]
    if not words.strip():
        raise InputError(f"a phrase in brackets must not be blank, got {marked!r}")
    start += len(words) - len(words.lstrip())
    return start, start + len(words.strip())
