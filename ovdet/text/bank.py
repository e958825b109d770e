"""Bank: class embeddings, computed once and kept in memory and on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ovdet.structures import InputError, Vocabulary
from ovdet.structures.files import cache_folder
from ovdet.structures.tables import Table
from ovdet.text.encoders import TextEncoder
from ovdet.text.prompts import clean_names, fill, load_templates
from ovdet.text.store import VectorStore
from ovdet.text.tables import check_tower

_Key = TypeVar("_Key")
_VERSION = "1"  # raised when the same weights, templates and name come to mean another vector
_STRINGS_AT_ONCE = 4096
_NAMES_KEPT = 65_536
_VOCABULARIES_KEPT = 4


class Bank:
    """Embeddings of names through one frozen text tower and one template set.

    A word's vector is CLIP's exact ensemble: the unit vectors of its T sentences, their mean,
    normalised. A class with synonyms gets the normalised mean of the vectors of its name and
    synonyms, each distinct word counted once. Descriptions are not read. A vocabulary with a table
    gets the rows of the table.

    Vectors are kept by word, so a vocabulary that grows by one encodes one, in memory and in a
    file under ``OVDET_CACHE``; weights, templates and the word's cleaned form are their key.

    Args:
        encoder: The text tower. When its weights change, the bank starts anew.
        templates: The name of a template set, or templates of one's own.
        cache_dir: Folder for the files, in place of the one ``OVDET_CACHE`` stands for.

    Attributes:
        encoded: Sentences that went through the tower so far.

    Raises:
        InputError: If the templates are not usable.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        templates: str | Sequence[str] = "single",
        cache_dir: str | Path | None = None,
    ) -> None:
        self.encoder = encoder
        self.templates = load_templates(templates)
        self.encoded = 0
        self._folder = cache_folder() if cache_dir is None else Path(cache_dir)
        self._fingerprint = ""
        self._store: VectorStore | None = None
        self._words: dict[str, Tensor] = {}
        self._vocabularies: dict[tuple[object, ...], Tensor] = {}

    def embed(self, vocabulary: Vocabulary | Sequence[str]) -> Tensor:
        """Embed C classes; asking again for one of the last few vocabularies costs next to nothing.

        Args:
            vocabulary: A vocabulary, or plain names.

        Returns:
            [C, D], float32, unit norm, on the encoder's device. Shared between calls: not to be
            written to.

        Raises:
            InputError: If given a bare string, or the vocabulary's table is of another tower.
        """
        if isinstance(vocabulary, str):
            raise InputError(f"classes must be a list of names, got the bare string {vocabulary!r}")
        self._follow_weights()
        names, synonyms, table = _facts(vocabulary)
        key: tuple[object, ...] = (names, synonyms, table, self.encoder.device)
        known = self._vocabularies.get(key)
        if known is None and table is not None:
            if not table.own:
                check_tower(table, names, self.embed_words, self.encoder.dim)
            known = table.vectors.to(self.encoder.device)
            _keep(self._vocabularies, {key: known}, _VOCABULARIES_KEPT)
        elif known is None:
            others = synonyms or ((),) * len(names)
            known = self._embed_groups([(n, *o) for n, o in zip(names, others, strict=True)])
            _keep(self._vocabularies, {key: known}, _VOCABULARIES_KEPT)
        return known

    def embed_words(self, words: Sequence[str]) -> Tensor:
        """Embed N words of the moment, [N, D] as ``embed``; equal ones may stand among them."""
        self._follow_weights()
        return self._embed_groups([(word,) for word in words])

    def _follow_weights(self) -> None:
        fingerprint = self.encoder.fingerprint()
        if fingerprint == self._fingerprint:
            return
        self._fingerprint = fingerprint
        self._words, self._vocabularies = {}, {}
        if self._folder is not None:
            parts = "\n".join((_VERSION, fingerprint, *self.templates))
            name = hashlib.sha256(parts.encode()).hexdigest()[:32]
            self._store = VectorStore(self._folder / "text" / f"{name}.sqlite3", self.encoder.dim)

    # Vectors made in inference mode could not take part in training later.
    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _embed_groups(self, groups: Sequence[Sequence[str]]) -> Tensor:
        raw = list(dict.fromkeys(word for group in groups for word in group))
        clean = dict(zip(raw, clean_names(raw), strict=True))
        pairs = [(i, w) for i, group in enumerate(groups) for w in {clean[r]: 0 for r in group}]
        vectors = self._look_up(list(dict.fromkeys(clean.values())))
        pooled = torch.zeros(len(groups), self.encoder.dim)
        if pairs:
            owners = torch.tensor([i for i, _ in pairs])
            pooled.index_add_(0, owners, torch.stack([vectors[word] for _, word in pairs]))
        return F.normalize(pooled, dim=-1).to(self.encoder.device)

    def _look_up(self, words: list[str]) -> dict[str, Tensor]:
        found = {word: self._words[word] for word in words if word in self._words}
        missing = [word for word in words if word not in found]
        if missing and self._store is not None:
            found |= self._store.read(missing)
            missing = [word for word in missing if word not in found]
        found |= self._encode(missing)
        _keep(self._words, found, _NAMES_KEPT)
        return found

    def _encode(self, words: list[str]) -> dict[str, Tensor]:
        vectors: dict[str, Tensor] = {}
        step = max(1, _STRINGS_AT_ONCE // len(self.templates))
        with tqdm(total=len(words), desc="encode names", delay=2, disable=None, leave=False) as bar:
            for start in range(0, len(words), step):
                part = words[start : start + step]
                new = dict(zip(part, self._ensemble(part).unbind(), strict=True))
                if self._store is not None:
                    self._store.write(new)
                vectors |= new
                bar.update(len(part))
        return vectors

    def _ensemble(self, words: list[str]) -> Tensor:
        texts = [text for word in words for text in fill(self.templates, word)]
        names = [word for word in words for _ in self.templates]
        self.encoded += len(set(texts))
        each = self.encoder.encode(texts, names=names).cpu()
        return F.normalize(each.view(len(words), len(self.templates), -1).mean(dim=1), dim=-1)


def _facts(
    vocabulary: Vocabulary | Sequence[str],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], Table | None]:
    if isinstance(vocabulary, Vocabulary):
        return vocabulary.names, vocabulary.synonyms, vocabulary.table
    return tuple(vocabulary), (), None


def _keep(known: dict[_Key, Tensor], new: dict[_Key, Tensor], most: int) -> None:
    known.update(new)
    for key in list(known)[: max(0, len(known) - most)]:
        known.pop(key, None)
