"""Published CLIP text towers, through the packages that define them. Nothing is downloaded."""

import difflib
import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError
from ovdet.structures.clip_files import ClipWeights, read_clip
from ovdet.structures.weights import find_weights, misfit
from ovdet.text.encoders import TextEncoder, at_ends
from ovdet.text.foreign import FolderTokenizer
from ovdet.text.tokenizer import END

_VOCABULARY = END + 1


@MODELS.register_module()
class OpenClipText(TextEncoder):
    """A text tower of CLIP's family as open_clip builds it, with weights of whatever source.

    SigLIP's reads tokens of its own, with the tokenizer that lies beside its weights, and each text
    at the last place of its row: it embeds names and sentences, but no made-up words.

    Args:
        name: open_clip's name of the model. OpenAI's own weights need a ``-quickgelu`` one. None
            takes the sizes of the weights.
        weights: A checkpoint of the whole model or its text tower, or its folder, a path or a name
            in the zoo, as ``read_clip`` reads it. Random without it.

    Attributes:
        scale: What the model multiplies cosines by; None where no file says.
        bias: What it adds then, for the sigmoid of SigLIP; None where there is none.

    Raises:
        InputError: If the name is unknown, the model reads other tokens than CLIP's and has no
            tokenizer beside it, appends a class token (CoCa), the file does not hold its text
            tower, or there is neither name nor file.
    """

    def __init__(self, name: str | None = None, weights: str | None = None) -> None:
        known = None if weights is None else read_clip(find_weights(weights))
        dim, config, quick = _sizes_of(known) if name is None else _open_clip_config(name)
        context, causal = config.get("context_length", 77), not config.get("no_causal_mask", False)
        identity = name or f"quick {quick} heads {config['heads']}"
        tokenizer = _tokenizer(config, known, name)
        if tokenizer is not None:
            identity = f"{identity} {config.get('act_kwargs')} {tokenizer.fingerprint()}"
        super().__init__(dim, context, identity, causal=causal, tokenizer=tokenizer)
        # The tower alone: create_model would build the image tower with it.
        from open_clip.model import _build_text_tower

        self.tower: nn.Module = _build_text_tower(dim, config, quick_gelu=quick)
        self.whole = tokenizer is not None
        self.scale = None if known is None else known.scale
        self.bias = None if known is None else known.bias
        if known is not None:
            _fill(self.tower, known, name or "CLIP")

    def forward(self, ids: Tensor) -> Tensor:
        """Encode ids [N, T]: [N, D], unit norm; see ``TextEncoder``."""
        if not self.whole:
            return super().forward(ids)
        return F.normalize(self.tower(ids), dim=-1)

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Look up the ids [N, T] in the token table: [N, T, W].

        Raises:
            InputError: If the tower reads other tokens than CLIP's, whose places nobody knows.
        """
        if self.whole:
            raise InputError(
                "this text tower reads tokens of its own and only whole texts: where words are "
                "made up or read one by one, take one of CLIP's tokens"
            )
        tower: Any = self.tower
        embedded: Tensor = tower.token_embedding(ids)
        return embedded

    def read(self, embedded: Tensor, ends: Tensor | None = None) -> Tensor:
        """Run the tower on [N, T, W]: [N, D] at ``ends`` [N], or [N, T, D]."""
        tower: Any = self.tower
        length = embedded.shape[1]
        x = embedded + tower.positional_embedding[:length]
        mask = tower.attn_mask
        x = tower.transformer(x, attn_mask=None if mask is None else mask[:length, :length])
        x = tower.ln_final(at_ends(x, ends))
        project = tower.text_projection
        projected: Tensor = project(x) if isinstance(project, nn.Module) else x @ project
        return projected


@MODELS.register_module()
class TransformersText(TextEncoder):
    """A CLIP text tower of transformers.

    Args:
        path: A folder with a CLIP model or its text tower with projection.
        config: Options of ``CLIPTextConfig``, for random weights, in place of ``path``.

    Raises:
        InputError: If not exactly one of the two is given, an option is unknown, the folder holds
            no such model, or the model reads other tokens than CLIP's.
    """

    def __init__(self, path: str | None = None, config: dict[str, Any] | None = None) -> None:
        if (path is None) == (config is None):
            raise InputError("TransformersText needs either a path or a config")
        tower = _load_folder(Path(path)) if path is not None else _from_config(config or {})
        facts = tower.config
        if facts.vocab_size != _VOCABULARY:
            raise InputError(
                f"vocab_size must be CLIP's {_VOCABULARY}, got {facts.vocab_size} in {path}"
            )
        identity = f"{facts.hidden_act} {facts.num_attention_heads} {facts.layer_norm_eps}"
        context = facts.max_position_embeddings
        super().__init__(facts.projection_dim, context, identity, causal=True)
        self.tower: nn.Module = tower

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Look up the ids [N, T] in the token table: [N, T, W]."""
        embedded: Tensor = self._table(ids)
        return embedded

    def read(self, embedded: Tensor, ends: Tensor | None = None) -> Tensor:
        """Run the tower on [N, T, W]: [N, D] at ``ends`` [N], or [N, T, D]."""
        tower: Any = self.tower
        # The tower takes ids alone, so its table is made to answer with what is given.
        ids = torch.zeros(embedded.shape[:2], dtype=torch.int64, device=embedded.device)
        handle = self._table.register_forward_hook(lambda *_: embedded)
        try:
            states = tower.text_model(input_ids=ids).last_hidden_state
        finally:
            handle.remove()
        projected: Tensor = tower.text_projection(at_ends(states, ends))
        return projected

    @property
    def _table(self) -> nn.Module:
        tower: Any = self.tower
        table: nn.Module = tower.text_model.embeddings.token_embedding
        return table


def _open_clip_config(name: str) -> tuple[int, dict[str, Any], bool]:
    import open_clip

    known = open_clip.list_models()
    # Asked first, because open_clip takes a name with a scheme for something to download.
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise InputError(f"open_clip has no model '{name}'{hint}")
    model = open_clip.get_model_config(name)
    config = model["text_cfg"]
    _check(config, f"the text tower of '{name}'")
    return model["embed_dim"], config, model.get("quick_gelu", False)


def _check(config: dict[str, Any], what: str) -> None:
    """Refuse a text tower that is neither CLIP's nor SigLIP's."""
    if _is_siglip(config):
        return
    own = ("hf_model_name", "hf_tokenizer_name", "tokenizer_kwargs", "embed_cls")
    if any(config.get(key) for key in own) or config.get("vocab_size") != _VOCABULARY:
        raise InputError(f"{what} must read CLIP's tokens alone, or be SigLIP's, it is not so")


def _is_siglip(config: dict[str, Any]) -> bool:
    """Tell a tower that is read at the last place of a row of its own tokens."""
    alone = not config.get("hf_model_name") and not config.get("embed_cls")
    return bool(alone and config.get("hf_tokenizer_name") and config.get("pool_type") == "last")


def _tokenizer(
    config: dict[str, Any], known: ClipWeights | None, name: str | None
) -> FolderTokenizer | None:
    """Return the tokenizer of a tower that reads other tokens than CLIP's."""
    if not _is_siglip(config):
        return None
    if known is None or known.folder is None:
        raise InputError(
            f"the text tower of '{name}' reads tokens of its own, not CLIP's tokens alone: give "
            "weights in a folder that holds its tokenizer"
        )
    clean = config.get("tokenizer_kwargs", {}).get("clean")
    return FolderTokenizer(
        known.folder, config["context_length"], canonical=clean == "canonicalize"
    )


def _sizes_of(known: ClipWeights | None) -> tuple[int, dict[str, Any], bool]:
    """Return D, open_clip's options of the text tower, and whether it uses QuickGELU."""
    if known is None:
        raise InputError("a text tower needs a name, a file of weights, or both")
    if known.model is not None and _is_siglip(known.model.get("text_cfg", {})):
        return known.model["embed_dim"], known.model["text_cfg"], False
    weights, quick = known.text, known.activation()
    try:
        words, width = weights["token_embedding.weight"].shape
        hidden = len(weights["transformer.resblocks.0.mlp.c_fc.weight"])
        context, dim = len(weights["positional_embedding"]), weights["text_projection"].shape[1]
    except KeyError as error:
        raise InputError(f"{known.place}: holds no text tower, it lacks {error}") from error
    if words != _VOCABULARY:
        raise InputError(f"{known.place}: must read CLIP's {_VOCABULARY} tokens, got {words}")
    blocks = (re.match(r"transformer\.resblocks\.(\d+)\.", name) for name in weights)
    config = {
        "context_length": context,
        "vocab_size": words,
        "width": width,
        "heads": width // known.text_head,
        "layers": len({block[1] for block in blocks if block}),
        "mlp_ratio": (hidden + 0.5) / width,  # a multiple of the width is cut to a whole
    }
    return dim, config, quick


def _fill(tower: nn.Module, known: ClipWeights, name: str) -> None:
    if fault := misfit(tower.state_dict(), known.text):
        raise InputError(f"{known.place}: is not the text tower of '{name}': {fault}")
    tower.load_state_dict(known.text)


def _from_config(config: dict[str, Any]) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    if unknown := sorted(set(config) - set(CLIPTextConfig().to_dict())):
        raise InputError(f"CLIPTextConfig has no options {unknown}")
    return CLIPTextModelWithProjection(CLIPTextConfig(**config))


def _load_folder(path: Path) -> Any:
    if not path.is_dir():
        raise InputError(f"{path}: must be a folder with a CLIP model, it is not")
    from transformers import CLIPTextModelWithProjection

    try:
        loaded: Any = CLIPTextModelWithProjection.from_pretrained(
            str(path), local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{path}: cannot be read as a CLIP text tower: {reason}") from error
    tower, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise InputError(f"{path}: holds no {missing[0]}, so it is not a CLIP text tower")
    return tower.float()
