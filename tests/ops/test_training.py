"""Fifty steps of training with the ops and with what they stand for: the losses are the same."""

from dataclasses import replace

import torch
import torch.nn.functional as F
import torchvision
from contracts import CONFIGS, build_tiny

STEPS = 50


def by_level(levels, regions, size, image_size, samples=2):
    """Pool as mmdet's extractor does: find each level's rows, pool them, put them in place."""
    boxes = regions.boxes
    rois = torch.cat([regions.owner[:, None].to(boxes), boxes], dim=1)
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1).sqrt()
    choice = (len(levels) - 1 + torch.log2(side / (image_size / 2) + 1e-6)).floor()
    choice = choice.clamp(0, len(levels) - 1)
    pooled = levels[0].new_zeros(len(rois), levels[0].shape[1], size, size)
    for index, level in enumerate(levels):
        rows = (choice == index).nonzero().flatten()
        scale = max(level.shape[-2:]) / image_size
        one = torchvision.ops.roi_align(level, rois[rows], size, scale, samples, aligned=True)
        pooled = pooled.index_copy(0, rows, one)
    return pooled


def by_crop(images, regions, size, *, resample):
    """Cut and resize with torch, box by box."""
    crops = [images.new_zeros(0, 3, size, size)]
    for (x1, y1, x2, y2), owner in zip(regions.boxes.tolist(), regions.owner, strict=True):
        rows = slice(max(int(y1), 0), max(-int(-y2 // 1), int(y1) + 1))
        columns = slice(max(int(x1), 0), max(-int(-x2 // 1), int(x1) + 1))
        piece = images[owner, None, :, rows, columns]
        crops.append(F.interpolate(piece, (size, size), mode=resample, antialias=True))
    return torch.cat(crops).clamp(0, 1)


def doubled(sample):
    truth = replace(sample.truth, boxes=sample.truth.boxes.double())
    return replace(sample, image=sample.image.double(), truth=truth, proposals=None)


def losses(resample):
    """Return the summed loss of every step, [STEPS], from the same weights and draws."""
    (path,) = [path for path in CONFIGS if path.stem == "vild_tiny_stickers"]
    case = build_tiny(path)
    case.model.objectives[0].teacher.resample = resample
    case.model.double()  # in float32 a proposal more or less is soon chosen otherwise
    case.samples = [doubled(sample) for sample in case.samples]
    torch.manual_seed(0)
    learning = [p for p in case.model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=1e-3)
    seen = []
    for _ in range(STEPS):
        total = case.total()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        seen.append(float(total.detach()))
    return torch.tensor(seen)


def test_training_with_the_ops_is_training_with_plain_torch(monkeypatch):
    ours = losses("bilinear")
    calls = []

    def counted(way):
        return lambda *given, **named: (calls.append(way), way(*given, **named))[1]

    for home in ("ovdet.heads.embed", "ovdet.heads.masks"):
        monkeypatch.setattr(f"{home}.pyramid_roi_align", counted(by_level))
    monkeypatch.setattr("ovdet.vision.crops.crop_resize", counted(by_crop))
    plain = losses("bilinear")
    assert {by_level, by_crop} == set(calls)
    assert plain[-1] < plain[0], "nothing was learnt"
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=0)
