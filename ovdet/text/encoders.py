"""What every text tower offers: ids or texts in, unit vectors out."""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.structures import Tokens
from ovdet.text.foreign import FolderTokenizer
from ovdet.text.tokenizer import ClipTokenizer, lengths


class TextEncoder(nn.Module):
    """What every text tower offers.

    A tower says how ids become token vectors (``embed_ids``) and what it reads from these
    (``read``); encoding texts, batching and the fingerprint are the same for all.

    Args:
        dim: Length D of the vectors.
        context: Longest row of ids, the two markers included.
        identity: What besides the weights decides a vector, as text: it enters the fingerprint.
        causal: Whether ids after END cannot change a text's vector, so that batches may be
            cropped to their longest text.
        tokenizer: What the tower reads; CLIP's tokens when None.
    """

    def __init__(
        self,
        dim: int,
        context: int,
        identity: str,
        *,
        causal: bool,
        tokenizer: FolderTokenizer | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.causal = causal
        self.tokenizer: Any = ClipTokenizer(context) if tokenizer is None else tokenizer
        self._identity = identity
        self._known: tuple[tuple[list[tuple[int, int]], list[float]], str] | None = None

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Look up the ids [N, T] in the token table: [N, T, W], before positions are added."""
        raise NotImplementedError

    def read(self, embedded: Tensor, ends: Tensor | None = None) -> Tensor:
        """Run the tower on embedded tokens, so that learnt or made-up words can stand among them.

        Args:
            embedded: [N, T, W], in the space of the token table; T at most the context.
            ends: [N], int64, the position read of each row; None reads all.

        Returns:
            [N, D], or [N, T, D] without ``ends``; projected, not normalised, differentiable.
        """
        raise NotImplementedError

    def forward(self, ids: Tensor) -> Tensor:
        """Encode ids, read at each row's first END.

        Args:
            ids: [N, T], int64, as the tokenizer gives them; T at most the context, and the whole
                context where the tower is not ``causal``.

        Returns:
            [N, D], unit norm, differentiable.
        """
        return F.normalize(self.read(self.embed_ids(ids), lengths(ids) - 1), dim=-1)

    def encode_tokens(self, ids: Tensor) -> Tokens:
        """Encode ids, read at every token, the markers included.

        Args:
            ids: As for :meth:`forward`.

        Returns:
            N sets of T vectors [D], differentiable; real up to each row's END.
        """
        vectors = F.normalize(self.read(self.embed_ids(ids)), dim=-1)
        places = torch.arange(ids.shape[1], device=ids.device)
        return Tokens(vectors, places < lengths(ids)[:, None])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @torch.no_grad()
    def encode(
        self, texts: Sequence[str], batch: int = 256, names: Sequence[str] | None = None
    ) -> Tensor:
        """Encode texts, equal ones once, short ones together; no gradients, full precision.

        Args:
            texts: N texts.
            batch: Texts in one pass of the tower.
            names: What a warning about a text calls it; the texts themselves by default.

        Returns:
            [N, D], float32, unit norm, on the tower's device.
        """
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        called = dict(zip(texts, names, strict=True)) if names is not None else {}
        ids = self.tokenizer(list(rows), [called.get(text, text) for text in rows])
        vectors = torch.zeros(len(rows), self.dim, device=self.device)
        lasting = lengths(ids)
        order = lasting.argsort()
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            longest = int(lasting[part[-1]]) if self.causal else ids.shape[1]
            # Vectors are cached: a caller's autocast must not decide how exact they are.
            with torch.autocast(self.device.type, enabled=False):
                vectors[part] = self(ids[part, :longest].to(self.device)).float()
        return vectors[torch.tensor([rows[text] for text in texts], dtype=torch.int64)]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights and the tower's identity, in hexadecimal.

        It is computed again only after a weight has been replaced or written to in place. Fused
        optimizers and writes through ``.data`` count no version: those are noticed where one of a
        few values of each weight has changed.
        """
        state = self.state_dict()
        places = [(value.data_ptr(), _version(value)) for value in state.values()]
        versions = (places, _few_values(list(state.values())))
        if self._known is None or self._known[0] != versions:
            digest = hashlib.sha256(f"{type(self).__name__} {self._identity}".encode())
            for name, value in state.items():
                digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
                digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
            self._known = (versions, digest.hexdigest())
        return self._known[1]


def _few_values(weights: list[Tensor]) -> list[float]:
    """Read up to 16 values of each weight, spread evenly, with one transfer from the device."""
    rows = [value.detach().flatten() for value in weights]
    few = [row[:: max(1, len(row) // 16)][:16].float() for row in rows]
    values: list[float] = torch.cat(few).tolist() if few else []
    return values


def _version(value: Tensor) -> int:
    # A tensor made in inference mode counts no versions, but cannot be written to outside it.
    return -1 if value.is_inference() else value._version


def at_ends(states: Tensor, ends: Tensor | None) -> Tensor:
    """Pick from states [N, T, W] each row's position in ``ends`` [N]; None keeps all."""
    if ends is None:
        return states
    return states[torch.arange(len(states), device=states.device), ends]
