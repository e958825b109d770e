"""mmdet's GLIP, Grounding DINO and MM-Grounding DINO, asked by names.

Names are written into texts by the rules of ``adapters/transformers/prompts.py``: in alphabetical
order, as many in a text as the tower reads, each by its own tokens. mmdet would look for a name's
tokens in the text again, and give pieces of words back where it does not find them. Shapes: L
tokens, N objects, E width of the text tower.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ovdet.adapters.mmdet.naming import Asked, known_classes
from ovdet.adapters.transformers.prompts import Prompt, Prompts
from ovdet.structures import InputError, Vocabulary

_KEPT = 64  # texts
Features = dict[str, Tensor | None]


class PromptNames:
    """Any names, read by the detector's language model.

    Takes the place of the detector's methods that write and read texts.

    Args:
        detector: Of mmdet, with ``language_model``.

    Attributes:
        encoded: Texts that went through the language model while nothing was learnt.
    """

    def __init__(self, detector: Any) -> None:
        self._detector = detector
        self._tower = detector.language_model
        self._prompts = Prompts(self._tower.tokenizer, self._tower.max_tokens)
        self._open_end = type(detector).__name__ == "GLIP"  # its last name has no full stop
        self._known: dict[tuple[Any, ...], Features] = {}
        self.encoded = 0
        self._tower.forward = self._read
        detector.get_tokens_positive_and_prompts = self._when_asked
        detector.get_tokens_and_prompts = self._when_learning
        detector.get_positive_map = self._targets

    def learn(self, vocabulary: Vocabulary) -> Asked:
        """Set the classes that are not novel.

        Raises:
            InputError: If one text cannot hold them.
        """
        known, place = known_classes(vocabulary)
        names = [vocabulary.names[row] for row in known]
        order, prompts = self._write(names)
        if len(prompts) > 1:
            raise InputError(
                f"the text tower reads {self._tower.max_tokens} tokens, too few for {len(names)} "
                "names at once: learn from fewer"
            )
        rank = torch.empty(len(order), dtype=torch.int64)
        rank[torch.tensor(order)] = torch.arange(len(order))
        place[place >= 0] = rank
        return Asked(place, prompts[0])

    def ask(self, vocabulary: Vocabulary) -> Iterator[Asked]:
        """Yield one pass a text.

        Raises:
            InputError: If a name has no words, or more than the text tower reads.
        """
        order, prompts = self._write(vocabulary.names)
        with _seen_once(self._detector):
            for prompt in prompts:
                yield Asked(torch.tensor(order)[prompt.rows.start : prompt.rows.stop], prompt)

    def _write(self, names: Sequence[str]) -> tuple[list[int], list[Prompt]]:
        """Return the names' alphabetical order and the texts of them in it."""
        order = sorted(range(len(names)), key=names.__getitem__)
        prompts = self._prompts.cut([names[row] for row in order])
        if self._open_end:
            prompts = [replace(one, ids=(*one.ids[:-2], one.ids[-1])) for one in prompts]
        return order, prompts

    def _when_asked(self, prompt: Prompt, *_rest: Any) -> tuple[Any, ...]:
        """Return the tokens of each name, counted from 1, as mmdet's heads read them."""
        tokens = {row + 1: places for row, places in enumerate(_places(prompt))}
        return tokens, prompt, None, tuple(prompt.rows)

    def _when_learning(self, prompt: Prompt, *_rest: Any) -> tuple[Any, ...]:
        return prompt, prompt, _places(prompt), tuple(prompt.rows)

    def _targets(self, _text: Prompt, places: Sequence[list[int]]) -> tuple[None, Tensor]:
        """Return [N, L of the longest text], 1 where a token names the object."""
        wanted = torch.zeros(len(places), self._tower.max_tokens)
        for row, own in zip(wanted, places, strict=True):
            row[own] = 1.0
        return None, wanted

    def _read(self, prompts: Sequence[Prompt]) -> Features:
        """Return the features of a text, once for each picture of the batch that asks it."""
        one = self._encode(prompts[0]) if torch.is_grad_enabled() else self._keep(prompts[0])
        rows = len(prompts)
        return {k: v if v is None else v.expand(rows, *v.shape[1:]) for k, v in one.items()}

    def _keep(self, prompt: Prompt) -> Features:
        weights = list(self._tower.parameters())
        first = weights[0]
        key = (prompt.ids, first.device, first.dtype, sum(weight._version for weight in weights))
        if key not in self._known:
            for old in list(self._known)[: max(0, len(self._known) + 1 - _KEPT)]:
                del self._known[old]
            with torch.autocast(first.device.type, enabled=False):
                self._known[key] = self._encode(prompt)
            self.encoded += 1
        return self._known[key]

    def _encode(self, prompt: Prompt) -> Features:
        """Return what mmdet's language model makes of one text, each [1, ...]."""
        tower = self._tower
        device = next(tower.parameters()).device
        spare = tower.max_tokens - len(prompt.ids) if tower.pad_to_max else 0
        ids = [*prompt.ids, *[tower.tokenizer.pad_token_id] * spare]
        inputs = {"input_ids": torch.tensor([ids], device=device)}
        real = torch.arange(len(ids), device=device)[None] < len(prompt.ids)
        if not tower.use_sub_sentence_represent:
            rest: dict[str, Any] = {"position_ids": None, "token_type_ids": None}
            found: Features = tower.language_backbone(
                inputs | rest | {"attention_mask": real.long()}
            )
            return found
        from mmdet.models.language_models.bert import (
            generate_masks_with_special_tokens_and_transfer_map as divide,
        )

        seen, places = divide(inputs, tower.special_tokens)  # names do not see each other
        closed = torch.zeros(seen.shape, device=device).masked_fill(~seen, float("-inf"))
        rest = {"position_ids": places, "token_type_ids": torch.zeros_like(inputs["input_ids"])}
        found = tower.language_backbone(inputs | rest | {"attention_mask": closed[:, None]})
        return {**found, "masks": seen, "position_ids": places, "text_token_mask": real}


@contextmanager
def _seen_once(detector: Any) -> Iterator[None]:
    """Let a detector that is asked about the same pictures again use the same features."""
    inside = detector.extract_feat
    kept: list[Any] = [None, ()]

    def look(images: Tensor) -> tuple[Tensor, ...]:
        if kept[0] is not images:
            kept[:] = images, tuple(inside(images))
        return tuple(level.clone() for level in kept[1])  # heads may write into them

    detector.extract_feat = look
    try:
        yield
    finally:
        del detector.extract_feat


def _places(prompt: Prompt) -> list[list[int]]:
    """Return the places of each name's tokens."""
    own: list[list[int]] = [[] for _ in prompt.rows]
    for place, owner in zip(prompt.places, prompt.owners, strict=True):
        own[owner].append(place)
    return own
