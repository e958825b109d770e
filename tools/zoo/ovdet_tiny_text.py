#!/usr/bin/env python3
"""Teach ovdet-tiny's text tower the real CLIP text embeddings of some 2,000 names.

python tools/zoo/ovdet_tiny_text.py data/photos/metadata/clip_text data/ovdet-tiny

Every table is centred, the tables are joined and turned onto their first D principal axes; a name
that no table holds gets the mean of the names it shares words with, plus a direction of its own.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

TABLES = (
    "coco80_photo", "lvis1203_photo", "coco80_a", "lvis1203_a", "objects365_a", "openimages500_a",
)  # fmt: skip
FRAMES = ("{}", "{}", "a {}", "a photo of a {}.", "a photo of a {}", "the {}", "this is a {}.")
OWN = 0.8  # length of a missing name's own direction beside what its words say


def main(words: list[str] | None = None) -> int:
    """Train and store the tower; return the exit status."""
    parser = argparse.ArgumentParser(description="Teach ovdet-tiny's text tower CLIP's names.")
    parser.add_argument("tables", type=Path)
    parser.add_argument(
        "data", type=Path, help="the folder with train.json; text.safetensors goes there"
    )
    parser.add_argument("--dim", type=int, default=192)
    parser.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args(words)
    sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that was not installed
    from ovdet.data.stickers.names import STICKERS

    wanted = {
        c["name"] for c in json.loads((options.data / "train.json").read_text())["categories"]
    }
    names, targets = targets_of(options.tables, sorted(wanted | set(STICKERS)), options.dim)
    train(names, targets, options)
    return 0


def targets_of(folder: Path, wanted: list[str], dim: int) -> tuple[list[str], Any]:
    """Return names and their unit targets [N, D]: all of the tables, then the missing ones."""
    from ovdet.text.prompts import clean_names

    index = json.loads((folder / "index.json").read_text())
    known: dict[str, list[Any]] = {}
    for table in TABLES:
        rows = _unit(np.load(folder / index[table]["file"]).astype(np.float32))
        rows = _unit(rows - rows.mean(axis=0))  # the prompt's share says nothing about the class
        for name, row in zip(clean_names(index[table]["texts"]), rows, strict=True):
            known.setdefault(name, []).append(row)
    names = sorted(known)
    joined = _unit(np.stack([np.mean(known[name], axis=0) for name in names]))
    axes = np.linalg.svd(joined, full_matrices=False)[2][:dim]
    targets = _unit(joined @ axes.T)
    by_word: dict[str, list[Any]] = {}
    for name, row in zip(names, targets, strict=True):
        for word in name.split():
            by_word.setdefault(word, []).append(row)
    rng = np.random.default_rng(0)
    missing = [name for name in clean_names(wanted) if name not in known]
    extra = []
    for name in missing:
        own = OWN * _unit(rng.standard_normal(dim))
        shared = [np.mean(by_word[w], axis=0) for w in name.split() if w in by_word]
        extra.append(_unit(own + (_unit(np.mean(shared, axis=0)) if shared else 0)))
    print(f"{len(names)} names with CLIP's embedding, {len(missing)} without")
    return names + missing, np.concatenate([targets, np.stack(extra)]).astype(np.float32)


def train(names: list[str], targets: Any, options: argparse.Namespace) -> None:
    """Fit the tower to the targets by cosine and by telling each name from all others."""
    import torch
    import torch.nn.functional as F
    from safetensors.torch import save_file

    from ovdet.text import TinyTextTransformer, lengths

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    goal = torch.from_numpy(targets)
    tower = TinyTextTransformer(dim=options.dim, width=128, layers=3, heads=4, embed_width=48)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=2e-3, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min(1, (i + 1) / 100) * (0.51 + 0.49 * math.cos(math.pi * i / options.steps)),
    )
    for step in range(options.steps):
        rows = torch.from_numpy(rng.integers(0, len(names), 192))
        texts = [FRAMES[rng.integers(len(FRAMES))].format(names[i]) for i in rows.tolist()]
        ids = tower.tokenizer(texts)
        vectors = tower(ids[:, : int(lengths(ids).max())])
        cosine = (vectors * goal[rows]).sum(dim=1)
        loss = (1 - cosine).mean() + 0.2 * F.cross_entropy(20 * vectors @ goal.T, rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        if step % 250 == 249:
            print(
                f"step {step + 1}  loss {loss.item():.3f}  cosine {cosine.mean():.3f}", flush=True
            )
    weights = {key: value.detach().clone() for key, value in tower.state_dict().items()}
    save_file(weights, options.data / "text.safetensors")


def _unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(1e-9)


if __name__ == "__main__":
    sys.exit(main())
