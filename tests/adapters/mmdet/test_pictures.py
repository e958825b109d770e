"""Pictures prepared by an mmdet config: the same boxes as mmdet's own way from the file."""

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmdet", reason="mmdet is not installed: pip install 'ovdet[mmdet]'")

from mmdet_tiny import KNOWN, MASK, RETINA, make, options, sample

from ovdet.adapters.mmdet.configs import read_config
from ovdet.adapters.mmdet.pictures import PreparedPictures
from ovdet.data.images import to_float
from ovdet.structures import InputError, Sample

DETR = "deformable_detr/deformable-detr_r50_16xb2-50e_coco.py"
SMALL = {"test_dataloader.dataset.pipeline.1.scale": (120, 80)}
SIZES = [(50, 67), (90, 40), (50, 67)]


def picture(folder, size, seed):
    """Write a smooth random picture and return its path and its sample."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 7, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)[0]
    pixels = (fine * 255).round().byte().permute(1, 2, 0).numpy()
    path = folder / f"{seed}.png"
    Image.fromarray(pixels).save(path)
    return path, Sample(to_float(pixels), seed, str(path), size)


def by_mmdet(detector, changed, name, path):
    """Return what mmdet finds: its pipeline from the file on, its preprocessor, its detector."""
    from mmcv.transforms import Compose
    from mmengine.registry import DefaultScope

    steps = read_config(f"mmdet::{name}", changed).test_dataloader.dataset.pipeline
    steps = [step for step in steps if step.type != "LoadAnnotations"]
    with DefaultScope.overwrite_default_scope("mmdet"):
        state = Compose(steps)({"img_path": str(path), "img_id": 0})
    data = {"inputs": [state["inputs"]], "data_samples": [state["data_samples"]]}
    with torch.no_grad():
        return detector.detector.test_step(data)[0].pred_instances


@pytest.mark.parametrize("name", [RETINA, MASK, DETR], ids=["retina", "mask", "detr"])
def test_the_same_picture_gives_the_same_boxes(name, tmp_path):
    changed = options(name) | SMALL
    detector = make(name, options=changed, as_tested=True).eval()
    pictures = [picture(tmp_path, size, seed) for seed, size in enumerate(SIZES)]
    with torch.no_grad():
        found = detector.predict([one for _, one in pictures], detector.own)
    for (path, one), regions in zip(pictures, found, strict=True):
        wanted = by_mmdet(detector, changed, name, path)
        height, width = one.original_size
        limit = torch.tensor([width, height, width, height])
        boxes = wanted.bboxes.clamp(min=0).minimum(limit)
        kept = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(dim=1)
        order = wanted.scores[kept].argsort(descending=True, stable=True)
        assert len(regions) == len(order) > 5
        torch.testing.assert_close(regions.scores, wanted.scores[kept][order], atol=1e-4, rtol=0)
        torch.testing.assert_close(regions.boxes, boxes[kept][order], atol=1e-4, rtol=0)
        assert regions.labels.tolist() == wanted.labels[kept][order].tolist()
        if "mask" in name:
            assert regions.masks.shape[1:] == one.original_size
            assert (regions.masks != wanted.masks[kept][order]).float().mean() < 1e-3


def test_a_step_that_wants_floats_gets_them():
    changed = {"test_dataloader.dataset.pipeline.0.to_float32": True} | SMALL
    prepare = PreparedPictures(read_config(f"mmdet::{RETINA}", changed), RETINA)
    image = np.full((40, 60, 3), (10, 20, 30), np.uint8)
    record = prepare(Sample(to_float(image), 3, "a.png", (40, 60)))
    assert record["inputs"].dtype is torch.float32
    assert record["inputs"][:, 0, 0].tolist() == [30, 20, 10]  # BGR
    assert tuple(record["inputs"].shape[1:]) == (80, 120)
    facts = record["data_samples"]
    assert (facts.ori_shape, facts.img_shape, facts.img_id) == ((40, 60), (80, 120), 3)


def test_pictures_that_were_resized_are_told():
    detector = make(RETINA, as_tested=True)
    message = r"as they are stored, \[128, 96\] px, got \[64, 64\] in 1"
    with pytest.raises(InputError, match=message):
        detector.predict([sample(0)], KNOWN)


def test_a_config_without_a_pipeline_is_told():
    config = read_config(f"mmdet::{RETINA}")
    for key in ("test_dataloader", "val_dataloader", "test_pipeline"):
        config.pop(key)
    with pytest.raises(InputError, match=r"a.py: has no test pipeline to prepare pictures by"):
        PreparedPictures(config, "a.py")
