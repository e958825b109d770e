"""The text slot that keeps tokens: names and phrases to one vector a token.

Shapes: C classes, T tokens of the longest of them, W width of the tower, D of its vectors.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.ops import unit_norm
from ovdet.registry import MODELS
from ovdet.structures import InputError, PhraseVocabulary, Text, Vocabulary
from ovdet.text.captions import (
    Caption,
    close_phrase,
    compose_caption,
    crop_caption,
    cut_names,
    write_names,
)
from ovdet.text.encoders import TextEncoder
from ovdet.text.prompts import clean_names
from ovdet.text.tokenizer import PAD

Wording = tuple[str, str, str]
_KEPT = 64  # vocabularies: all chunks of LVIS's 1,203 names in 40s are 31


@MODELS.register_module()
class TokenText(nn.Module):
    """Fills the text slot: each class a row of tokens, of which some are its own.

    A name stands alone in its row, a phrase in its sentence, whose other tokens are there to be
    looked at and never scored. So the vectors of one class depend on no other one, except in
    ``together``, where all names are one caption.

    Args:
        encoder: The text tower.
        layers: Run over each row by itself behind the tower; (tokens, seen) to tokens.
        together: Write all names of a plain vocabulary into one caption, as GLIP does, which a
            tower that reads in both directions wants. A causal tower shows a name those before it.
        learn: Whether the tower learns; else it is frozen and in evaluation mode.
        tokens: Most tokens of a caption of names, for :meth:`cut`; the tower's context where None.
        ends: Write END behind each class's words and take its token alone for the class's own,
            which a causal tower wants: what stands before has not been read to the end.

    Raises:
        InputError: If ``ends`` meets ``together``, where names share one END, or a tower that is
            not causal.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        layers: Sequence[nn.Module] = (),
        *,
        together: bool = False,
        learn: bool = False,
        tokens: int | None = None,
        ends: bool = False,
    ) -> None:
        super().__init__()
        if ends and (together or not encoder.causal):
            raise InputError("ends needs a causal tower and a row for each name, not together")
        self.ends = ends
        self.encoder = encoder.requires_grad_(learn)
        self.layers = nn.ModuleList(layers)
        self.together = together
        self.learn = learn
        self.tokens = tokens or encoder.tokenizer.context
        self._kept: dict[tuple[object, ...], Text] = {}
        self.train(self.training)

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Encode C classes.

        Args:
            vocabulary: Names, or phrases in their sentences.

        Returns:
            ``classes`` [C, D], read where a class's row ends; ``tokens`` [C, T, D];
            ``token_mask`` [C, T], the real ones; ``own`` [C, T], those of the class itself.

        Raises:
            InputError: If a phrase or, in ``together``, the caption is longer than the context.
        """
        learns = self.learn and torch.is_grad_enabled()
        if learns or isinstance(vocabulary, PhraseVocabulary):
            with torch.set_grad_enabled(learns):
                text = self._encode(vocabulary)
        else:
            text = self._known(vocabulary)
        tokens, mask = text.tokens, text.token_mask
        if tokens is not None and mask is not None and len(self.layers):
            seen = mask[:, None] | torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
            for layer in self.layers:
                tokens = layer(tokens, seen)
            text = text.with_tokens(unit_norm(tokens))
        return text

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Return the class vectors [N, D] of N words."""
        distinct = list(dict.fromkeys(words))
        if not distinct:
            return torch.zeros(0, self.encoder.dim, device=self.encoder.device)
        rows = {word: row for row, word in enumerate(distinct)}
        classes: Tensor = self(Vocabulary.of(distinct)).classes
        return classes[torch.tensor([rows[word] for word in words], device=classes.device)]

    def cut(self, vocabulary: Vocabulary, most: int | None = None) -> list[range]:
        """Return the runs of classes that go through a fusion together.

        Names are counted as one caption against ``tokens``; phrases come in their own sentences
        and stay together.

        Args:
            vocabulary: C classes, in the order they shall be cut in.
            most: Most names of a run.

        Raises:
            InputError: If a name alone is longer than a caption may be.
        """
        if isinstance(vocabulary, PhraseVocabulary):
            return [range(len(vocabulary))]
        tokenizer = self.encoder.tokenizer
        return cut_names(vocabulary.names, tokenizer, tokens=self.tokens, most=most)

    def train(self, mode: bool = True) -> "TokenText":  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode of the slot; a frozen tower stays in evaluation mode."""
        super().train(mode)
        if not self.learn:
            self.encoder.eval()
        return self

    # What is made in inference mode could not take part in training later.
    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _known(self, vocabulary: Vocabulary) -> Text:
        """Encode names, or return what the same weights gave for them before."""
        key = (vocabulary.names, self.encoder.fingerprint(), self.encoder.device)
        if key not in self._kept:
            for old in list(self._kept)[: max(0, len(self._kept) + 1 - _KEPT)]:
                del self._kept[old]
            self._kept[key] = self._encode(vocabulary)
        return self._kept[key]

    def _encode(self, vocabulary: Vocabulary) -> Text:
        if self.together and not isinstance(vocabulary, PhraseVocabulary):
            return self._encode_together(vocabulary.names)
        rows = [self._row(wording) for wording in self._wordings(vocabulary)]
        lengths = torch.tensor([len(row.ids) for row in rows], device=self.encoder.device)
        states = self._states([row.ids for row in rows])
        own = torch.zeros(states.shape[:2], dtype=torch.bool, device=states.device)
        for marks, row in zip(own, rows, strict=True):
            ((start, end),) = row.token_spans
            marks[start:end] = True
        places = torch.arange(states.shape[1], device=states.device)
        classes = states[torch.arange(len(rows), device=states.device), lengths - 1]
        asked = getattr(vocabulary, "asked", ())
        return Text(
            classes=classes,
            tokens=states,
            token_mask=places < lengths[:, None],
            own=own,
            asked=torch.tensor(asked, device=states.device) if asked else None,
        )

    def _encode_together(self, names: Sequence[str]) -> Text:
        """Encode one caption; a class's row holds its own tokens and no others."""
        caption = write_names(names, self.encoder.tokenizer)
        self._check(caption, f"the caption of {len(names)} names")
        states = self._states([caption.ids])[0]  # [L, D]
        spans = caption.token_spans
        longest = max(end - start for start, end in spans)
        tokens = states.new_zeros(len(spans), longest, states.shape[1])
        mask = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=states.device)
        for row, marks, (start, end) in zip(tokens, mask, spans, strict=True):
            row[: end - start] = states[start:end]
            marks[: end - start] = True
        last = torch.tensor([end - 1 for _, end in spans], device=states.device)
        return Text(classes=states[last], tokens=tokens, token_mask=mask, own=mask)

    def _wordings(self, vocabulary: Vocabulary) -> Sequence[Wording]:
        if isinstance(vocabulary, PhraseVocabulary):
            return vocabulary.wordings
        return [("", name, "") for name in clean_names(vocabulary.names)]

    def _row(self, wording: Wording) -> Caption:
        before, words, behind = wording
        pieces = [(before, False), (words, True), (behind, False)]
        caption = compose_caption(pieces, self.encoder.tokenizer)
        room = self.encoder.tokenizer.context - int(self.ends)  # one END more
        caption = crop_caption(caption, room)
        return close_phrase(caption) if self.ends else caption

    def _check(self, caption: Caption, what: str) -> None:
        if len(caption.ids) > self.encoder.tokenizer.context:
            raise InputError(
                f"the text tower reads {self.encoder.tokenizer.context} tokens, "
                f"got {len(caption.ids)} for {what}"
            )

    def _states(self, rows: Sequence[tuple[int, ...]]) -> Tensor:
        """Return the tower's vectors of all tokens, [C, T, D], unit norm."""
        tower: Any = self.encoder
        longest = max(map(len, rows)) if tower.causal else tower.tokenizer.context
        ids = torch.full((len(rows), longest), PAD, dtype=torch.int64)
        for line, row in zip(ids, rows, strict=True):
            line[: len(row)] = torch.tensor(row)
        states: Tensor = unit_norm(tower.read(tower.embed_ids(ids.to(tower.device))))
        return states
