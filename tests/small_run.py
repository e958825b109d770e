"""A run that takes a second: a linear model with dropout on random pictures, through the engine.

Shared by the tests of the engine and of the tools. No detector, no torchvision.
"""

import os
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import nn

from ovdet.data.samplers import Draw
from ovdet.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from ovdet.structures import Sample

CONFIG = """
custom_imports = dict(imports=["small_run"])
model = dict(type="SmallModel")
train = dict(
    dataset=dict(type="SmallData", transforms=[dict(type="SmallNoise")]),
    iters=8, batch_size=3, checkpoint_interval=2, log_interval=2,
)
val = dict(dataset=dict(type="SmallData"), batch_size=4, metrics=[dict(type="SmallMetric")])
optim = dict(type="AdamW", lr=0.01, weight_decay=0.1, warmup=3, clip=1.0)
seed = 3
"""


@MODELS.register_module()
class SmallModel(BaseModel):
    """Learns the mean colour; dropout makes it depend on torch's randomness.

    Args:
        poison: From this sample on the loss is not a number.
    """

    def __init__(self, poison=None):
        super().__init__()
        self.linear = nn.Linear(12, 3)
        self.norm = nn.BatchNorm1d(12)
        self.poison = poison
        self.seen = 0

    def forward(self, samples, mode="loss"):
        images = torch.stack([sample.image.flatten() for sample in samples])
        if mode == "predict":
            torch.rand(1)  # measuring may draw numbers without changing the training
            return list(self.linear(self.norm(images)))
        self.seen += len(samples)
        hidden = nn.functional.dropout(self.norm(images), 0.3, self.training)
        colours = torch.stack([sample.image.mean(dim=(1, 2)) for sample in samples])
        loss = (self.linear(hidden) - colours).square().mean()
        if self.poison is not None and self.seen > self.poison:
            loss = loss * float("nan")
        return {"loss_colour": loss, "norm": hidden.norm().detach()}


@DATASETS.register_module()
class SmallData:
    endless = False

    def __init__(self, size=7, transforms=(), pause=0.0):
        self.size = size
        self.transforms = transforms
        self.pause = pause
        self.metainfo = {}

    def __len__(self):
        return self.size

    def __getitem__(self, key):
        time.sleep(self.pause)
        index = getattr(key, "index", key)
        values = np.random.default_rng(index).random((3, 2, 2), np.float32)
        sample = Sample(torch.from_numpy(values), index)
        for transform in self.transforms:
            sample = transform(sample, Draw.of(key).rng())
        return sample


@TRANSFORMS.register_module()
class SmallNoise:
    def __call__(self, sample, rng):
        sample.image += torch.from_numpy(rng.random((3, 2, 2), np.float32)) / 10
        return sample


@METRICS.register_module()
def SmallMetric():  # noqa: N802 - stands in for a class, and needs mmengine only here
    from mmengine.evaluator import BaseMetric

    class Error(BaseMetric):
        default_prefix = "small"

        def process(self, data_batch, data_samples):
            for sample, colour in zip(data_batch["samples"], data_samples, strict=True):
                self.results.append(float((colour - sample.image.mean(dim=(1, 2))).abs().mean()))

        def compute_metrics(self, results):
            return {"error": sum(results) / len(results), "count": len(results)}

    return Error()


def read_config(**options):
    """Return the run's config with some dotted entries changed."""
    config = Config.fromstring(CONFIG, ".py")
    config.merge_from_dict(options)
    return config


def train(work_dir, options, began=None):
    """Train in this process, from the last checkpoint where there is one."""
    torch.set_num_threads(1)
    from ovdet.engine import build_runner

    runner = build_runner(read_config(**options), work_dir, resume=True)
    runner.logger.setLevel("ERROR")
    if began is not None:
        began.set()
    runner.train()
    return runner


def child(work_dir, options, began=None):
    """Train in a process of its own, silently."""
    with Path(os.devnull).open("w") as null:
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
    train(work_dir, options, began)
