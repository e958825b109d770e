"""Five samples measured by each accumulator, in one process or in the share that torchrun gives."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from torch.nn.functional import normalize

from ovdet.evaluation import (
    PanopticMetric,
    PhraseRecall,
    RetrievalRecall,
    SemanticMetric,
    ZeroShotAccuracy,
)
from ovdet.structures import Regions, Sample, Vocabulary

COUNT, SIDE = 5, 12
VOCABULARY = Vocabulary(("cat", "dog", "sky"), novel=(False, True, False))


def label_map(seed):
    return np.random.default_rng(seed).integers(0, 3, (SIDE, SIDE))


def phrase_regions(seed):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(6, 2, generator=generator) * 4
    boxes = torch.cat([low, low + 4 + torch.rand(6, 2, generator=generator) * 3], dim=1)
    labels, scores = torch.arange(6) % 2, torch.rand(6, generator=generator)
    return Regions(boxes, torch.zeros(6, dtype=torch.int64), scores=scores, labels=labels)


def segments(seed):
    ids = label_map(seed) + 1
    return torch.from_numpy(ids), {1: 0, 2: 1, 3: 2}


def embeddings(seed):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(4, generator=generator), dim=0), normalize(
        torch.randn(2, 4, generator=generator), dim=1
    )


def panoptic_truth():
    infos = [{"id": i + 1, "category_id": i + 1, "iscrowd": 0} for i in range(3)]
    return {"annotations": [{"image_id": i, "segments_info": infos} for i in range(COUNT)]}


PREDICTIONS = {
    SemanticMetric: lambda i: torch.from_numpy(label_map(100 + i)),
    PanopticMetric: lambda i: segments(100 + i),
    PhraseRecall: lambda i: phrase_regions(100 + i),
    RetrievalRecall: embeddings,
    ZeroShotAccuracy: lambda i: (embeddings(i)[0], embeddings(i % 2)[1]),
}
META = {
    "vocabulary": VOCABULARY,
    "things": (True, True, False),
    "truth": panoptic_truth,
    "labels": label_map,
    "ids": lambda index: label_map(index) + 1,
}


def measure():
    """Return all figures of this process's share; empty in all processes but the first."""
    figures = {}
    for kind, predict in PREDICTIONS.items():
        metric = kind()
        metric.dataset_meta = META
        for i in DefaultSampler(range(COUNT), shuffle=False, seed=0):
            truth = phrase_regions(i)[torch.arange(2)]
            size = (SIDE, SIDE)
            sample = Sample(
                torch.zeros(3, *size), i, f"{i}", size, truth=truth, captions=("ab"[i % 2],)
            )
            metric.process({"samples": [sample]}, [predict(i)])
        figures |= metric.evaluate(COUNT)
    return figures


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    found = measure()
    if os.environ["RANK"] == "0":
        Path(sys.argv[1]).write_text(json.dumps(found))
    torch.distributed.destroy_process_group()
