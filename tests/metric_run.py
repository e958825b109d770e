"""Five samples measured by each accumulator, in one process or in the share that torchrun gives."""

import atexit
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from torch.nn.functional import normalize

from ovdet.evaluation import (
    CocoMetric,
    LvisMetric,
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


def boxes_truth():
    """An LVIS object: each image shows two boxes, and is checked for the last class."""
    lists = {"neg_category_ids": [3], "not_exhaustive_category_ids": []}
    sides = [phrase_regions(i)[torch.arange(2)].boxes for i in range(COUNT)]
    annotations = [
        {"image_id": i, "category_id": label, "bbox": [x, y, u - x, v - y], "area": 9.0}
        for i, boxes in enumerate(sides)
        for label, (x, y, u, v) in enumerate(boxes.tolist(), 1)
    ]
    for number, annotation in enumerate(annotations, 1):
        x, y, u, v = annotation["bbox"]
        corners = [x, y, x + u, y, x + u, y + v, x, y + v]
        annotation |= {"id": number, "iscrowd": 0, "segmentation": [corners]}
    return {
        "images": [{"id": i, "height": SIDE, "width": SIDE, **lists} for i in range(COUNT)],
        "annotations": annotations,
        "categories": [
            {"id": i, "name": name, "frequency": letter}
            for i, name, letter in zip((1, 2, 3), VOCABULARY.names, "rcf", strict=True)
        ],
    }


def masked_regions(seed):
    """Boxes with masks that fill their upper half."""
    found = phrase_regions(seed)
    masks = torch.zeros(len(found), 8, 8)
    masks[:, :4] = 1
    return replace(found, masks=masks)


def lvis_metric():
    """A metric whose truth lies in a file, as LVIS's always does."""
    handle, name = tempfile.mkstemp(suffix=".json")
    atexit.register(Path(name).unlink)
    with os.fdopen(handle, "w") as file:
        json.dump(boxes_truth(), file)
    return LvisMetric(name)


BUILDERS = {LvisMetric: lvis_metric}
TRUTHS = {CocoMetric: boxes_truth}
PREDICTIONS = {
    CocoMetric: lambda i: masked_regions(i % 3),
    LvisMetric: lambda i: masked_regions(i % 3),
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
        metric = BUILDERS.get(kind, kind)()
        metric.dataset_meta = META | ({"truth": TRUTHS[kind]} if kind in TRUTHS else {})
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
