"""Folders of transformers with random weights of the true architectures, for ``peers.py``."""

import gzip
import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PAIRS = 50  # of a place and a name, whose scores are above the threshold that a folder names
_BERT = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
_LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 4}
_NARROW = _LAYERS | {"hidden_size": 32, "intermediate_size": 48}
_SWIN = {
    "embed_dim": 16,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "out_features": ["stage2", "stage3", "stage4"],
}
_SMALL_GROUNDING = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_queries": 20,
}


def write_owl(folder: Path, *, quick: bool) -> None:
    """Write OWL-ViT B/32 for pictures of 768 px, or a small one, with CLIP's tokenizer."""
    import torch
    import transformers

    config = transformers.OwlViTConfig()
    if quick:
        text = {"max_position_embeddings": 16} | _NARROW
        vision = {"image_size": 64, "patch_size": 16} | _NARROW
        config = transformers.OwlViTConfig(
            text_config=text, vision_config=vision, projection_dim=32
        )
    model = _random(transformers.OwlViTForObjectDetection, config)
    side = config.vision_config.image_size
    seen = torch.rand(1, 3, side, side), torch.ones(1, 2, dtype=torch.int64)
    _tame(model.box_head.dense2, lambda: model(pixel_values=seen[0], input_ids=seen[1]))
    with torch.no_grad():  # scores between 0 and 1
        model.class_head.logit_shift.weight.mul_(0.05)
        model.class_head.logit_scale.weight.mul_(0.05)
        model.class_head.logit_scale.bias.fill_(1.0)
    pictures = transformers.OwlViTImageProcessor(size={"height": side, "width": side})
    tokenizer = transformers.CLIPTokenizer(*_clips_tokens(), pad_token="!", model_max_length=16)
    model.save_pretrained(folder)
    transformers.OwlViTProcessor(pictures, tokenizer).save_pretrained(folder)


def write_grounding(folder: Path, names: Sequence[str], *, quick: bool) -> None:
    """Write Grounding DINO tiny, or a small one, whose vocabulary holds the names' words."""
    import torch
    import transformers

    config = transformers.GroundingDinoConfig()
    size = {"shortest_edge": 800, "longest_edge": 1333}
    if quick:
        bert = _NARROW | {"max_position_embeddings": 256, "vocab_size": 1200}
        config = transformers.GroundingDinoConfig(
            backbone_config=transformers.SwinConfig(**_SWIN),
            text_config=transformers.BertConfig(**bert),
            **_SMALL_GROUNDING,
        )
        size = {"shortest_edge": 96, "longest_edge": 160}
    words = sorted({word for name in names for word in name.split()})
    count = config.text_config.vocab_size
    free = iter(sorted(set(range(count)) - set(_BERT.values())))
    vocabulary = _BERT | {word: next(free) for word in words}
    vocabulary |= {f"[unused{i}]": i for i in free}
    model = _random(transformers.GroundingDinoForObjectDetection, config)
    with torch.no_grad():  # products with the text that a sigmoid can tell apart
        model.model.decoder.layer_norm.weight.mul_(0.05)
    model.save_pretrained(folder)
    pictures = transformers.GroundingDinoImageProcessor(size=size)
    tokenizer = transformers.BertTokenizer(vocab=vocabulary)
    transformers.GroundingDinoProcessor(pictures, tokenizer).save_pretrained(folder)


def write_threshold(folder: Path, count: int, scores: Any) -> None:
    """Write the score that ``PAIRS`` of the scores [P, C] reach, for this many names."""
    best = scores.flatten().topk(min(PAIRS, scores.numel() // 2)).values
    (folder / f"threshold_{count}.json").write_text(json.dumps(best[-1].item()))


def read_threshold(folder: Path, count: int) -> float:
    """Return what ``write_threshold`` wrote."""
    least: float = json.loads((folder / f"threshold_{count}.json").read_text())
    return least


def _random(kind: Any, config: Any) -> Any:
    """Return a model whose every weight has some noise: as made, layers look alike."""
    import torch

    torch.manual_seed(0)
    model = kind(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.02)
    return model


def _tame(layer: Any, run: Callable[[], Any]) -> None:
    """Scale a layer's weights so that what it says in a run has a deviation of 1.

    Else all boxes of random weights lie in the picture's corners.
    """
    import torch

    said: list[Any] = []
    watch = layer.register_forward_hook(lambda _layer, _given, out: said.append(out))
    with torch.no_grad():
        run()
        watch.remove()
        layer.weight.div_(said[0].std().clamp(min=1e-6))


def _clips_tokens() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return CLIP's vocabulary and merges, out of open_clip's own file."""
    from ovdet.text.tokenizer import END, START

    place = importlib.util.find_spec("open_clip")
    if place is None or place.origin is None:
        raise ValueError("CLIP's vocabulary comes with the package open_clip_torch: install it")
    file = Path(place.origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.decompress(file.read_bytes()).decode().split("\n")[1 : START - 2 * 256 + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that show themselves
    symbols = [chr(byte) for byte in kept] + [chr(256 + i) for i in range(256 - len(kept))]
    words = [*symbols, *(f"{s}</w>" for s in symbols), *(a + b for a, b in merges)]
    ids = {word: i for i, word in enumerate(words)}
    return ids | {"<|startoftext|>": START, "<|endoftext|>": END}, merges
