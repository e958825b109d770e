"""What the contract tests share: every method config, built small, with samples made for it.

A config too wide for every test names what makes it narrow, by dotted key, in ``reduced``; each
value takes the place of what stands there. At full width it runs once, under ``-m slow``.
"""

import copy
import functools
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from ovdet.registry import build
from ovdet.structures import IGNORED, Regions, Sample, Vocabulary

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "configs/methods").glob("*/*.py"))
CONFIGS = [path for path in FILES if path.stem != "proof"]  # read by tools/prove.py alone
METHODS = sorted(path.stem for path in (ROOT / "ovdet/methods").glob("[!_]*"))
LEARNT = Vocabulary(("cat", "red car", "dog"), novel=(False, False, True))
ASKED = Vocabulary.of(["a small zebra", "kite", "lamp", "cat", "traffic light"])


def learning():
    """Return the configs that train something."""
    return [path for path in CONFIGS if learns(path)]


def identify(path):
    return path.stem


@functools.cache
def read(path):
    """Return a config as a plain dict; not to be written to."""
    return Config.fromfile(path).to_dict()


def learns(path):
    """Tell whether a config trains something; ``train = None`` says that it only measures."""
    return read(path).get("train", {}) is not None


def without_weights(config):
    """Return a config whose parts start from random weights: the tests need no file."""
    if isinstance(config, dict):
        if config.get("type") == "Pretrained":
            return without_weights(config["module"])
        if config.get("type") == "StoredCrops":
            return None
        own = {k: v for k, v in config.items() if not ("type" in config and k == "weights")}
        return {key: without_weights(value) for key, value in own.items()}
    if isinstance(config, list | tuple):
        return type(config)(without_weights(value) for value in config)
    return config


def narrow(config):
    """Return a config with what ``reduced`` names in place."""
    config = copy.deepcopy(config)
    for key, value in config.get("reduced", {}).items():
        *way, last = [int(step) if step.isdigit() else step for step in key.split(".")]
        place = functools.reduce(lambda inner, step: inner[step], way, config)
        place[last] = value
    return config


@dataclass
class Case:
    """A model as its config describes it, and two samples it can learn from."""

    model: torch.nn.Module
    samples: list

    def losses(self):
        self.model.train()
        return self.model(self.samples, mode="loss")

    def total(self):
        return sum(value for name, value in self.losses().items() if "loss" in name)


def build_tiny(path):
    """Return a case of its own, with the weights that seed 0 gives."""
    return copy.deepcopy(_built(path))


@functools.cache
def _built(path):
    return build_new(path)


def build_new(path, *, full=False):
    """Build a config from nothing, narrow or at full width."""
    torch.manual_seed(0)
    config = read(path) if full else narrow(read(path))
    model = build(without_weights(config["model"]), "model")
    if hasattr(model, "vocabulary"):
        model.vocabulary = LEARNT
    return Case(model, [sample(model, i) for i in range(2)])


def sample(model, index):
    """Return a picture of two objects of which one is labelled, with all that is known of it."""
    generator = torch.Generator().manual_seed(index)
    side = 64
    boxes = torch.tensor([[4.0, 6, 30, 28], [34, 30, 60, 62]])
    masks = torch.zeros(2, side, side, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    owner = torch.zeros(2, dtype=torch.int64)
    truth = Regions(boxes, owner, labels=torch.tensor([index % 2, 0]), masks=masks)
    semantic = torch.full((side, side), IGNORED)
    for mask, label in zip(masks, truth.labels, strict=True):
        semantic[mask] = label
    return Sample(
        torch.rand(3, side, side, generator=generator),
        image_id=index + 1,
        original_size=(side, side),
        truth=truth,
        proposals=prepared(model, boxes, owner),
        semantic=semantic,
        captions=(f"a photo of a {LEARNT.names[index]}",),
    )


def prepared(model, boxes, owner):
    """Return proposals with a made-up teacher's embeddings, where the model names regions."""
    if not hasattr(model, "vocabulary"):
        return None
    width = model.text(LEARNT).classes.shape[1]
    views = torch.nn.functional.normalize(torch.randn(len(boxes), width), dim=1)
    return Regions(boxes, owner, embeddings=views)
