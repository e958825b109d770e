"""The pixel assembly: what it learns from, what it gives back, in how much memory."""

import json
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ovdet.heads import CosinePixelHead
from ovdet.losses import PixelCrossEntropy
from ovdet.segmentors import (
    PixelAnswers,
    PixelNames,
    PixelSegmentor,
    PixelSettings,
    PixelViews,
)
from ovdet.structures import IGNORED, InputError, Sample, Vocabulary
from ovdet.text import TextClasses, TinyTextTransformer

NAMES = Vocabulary(("cat", "kite", "dog"), novel=(False, True, False))


class Trunk(nn.Module):
    """Two 3x3 convolutions and a mean of 4 x 4 px: a place sees 8 x 8 px."""

    stride = 4

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)

    def forward(self, images):
        return [F.avg_pool2d(self.second(self.first(images - 0.5)), 4)]


def segmentor(settings=None, criterion=None, refinements=()):
    torch.manual_seed(0)
    tower = TinyTextTransformer(dim=8, width=8, layers=1, heads=2, embed_width=4)
    return PixelSegmentor(
        trunk=Trunk(),
        text=TextClasses(tower),
        head=CosinePixelHead(scale=20.0),
        refinements=refinements,
        criterion=criterion,
        settings=settings,
    ).eval()


def smooth(height, width, seed=0):
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[0]


def sample(height=32, width=64, index=0, **facts):
    image = smooth(height, width, index)
    return Sample(image, index + 1, original_size=(height, width), **facts)


def test_labels_are_the_best_names_of_stretched_logits():
    model = segmentor()
    found = model.segment([sample()], NAMES)[0]
    text = model.text(NAMES).classes
    places = F.normalize(model.trunk(sample().image[None])[0], dim=1)
    logits = torch.einsum("bdhw,cd->bchw", places, text)
    expected = F.interpolate(logits, (32, 64), mode="bilinear", align_corners=False).argmax(dim=1)
    assert found.dtype == torch.int64
    assert (found == expected[0]).float().mean() > 0.999  # ties of rounding
    assert len(found.unique()) > 1


def test_labels_lie_in_the_stored_picture():
    one = sample()
    one.original_size = (51, 90)
    assert segmentor().segment([one], NAMES)[0].shape == (51, 90)


def test_a_picture_does_not_see_the_others_of_its_batch():
    model, both = segmentor(), [sample(), sample(48, 40, 1)]
    together = model.segment(both, NAMES)
    alone = [model.segment([one], NAMES)[0] for one in both]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))
    assert model.segment([], NAMES) == []


def test_the_order_of_names_changes_no_pixel():
    model, swapped = segmentor(), NAMES.pick([2, 0, 1])
    first, second = model.segment([sample()], NAMES)[0], model.segment([sample()], swapped)[0]
    assert torch.equal(torch.tensor([2, 0, 1])[second], first)


def test_one_name_is_everywhere():
    assert (segmentor().segment([sample()], Vocabulary.of(["sky"]))[0] == 0).all()


def test_it_learns_seen_names_and_leaves_the_text_alone():
    model = segmentor(criterion=PixelCrossEntropy())
    labels = torch.randint(3, (32, 64))
    labels[:9] = IGNORED
    losses = model.loss([sample(semantic=labels)], NAMES)
    flow = model.begin([sample()], NAMES.pick([0, 2]))
    logits = F.interpolate(
        model.head(flow.features, flow.text, flow.images),
        (32, 64),
        mode="bilinear",
        align_corners=False,
    )
    wanted = torch.tensor([0, IGNORED, 1, IGNORED])[labels]
    expected = F.cross_entropy(logits, wanted[None], ignore_index=IGNORED)
    torch.testing.assert_close(losses, {"loss_pixel": expected})
    losses["loss_pixel"].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.trunk.parameters())
    assert all(p.grad is None for p in model.text.parameters())


def test_a_batch_without_labels_teaches_nothing():
    losses = segmentor(criterion=PixelCrossEntropy()).loss([sample()], NAMES)
    assert losses["loss_pixel"] == 0
    losses["loss_pixel"].backward()


def test_methods_give_labels_and_losses():
    class Fill(nn.Module):
        def forward(self, labels, flow):
            assert flow.pixels.shape == (1, 3, 8, 16)
            return torch.full_like(labels, 1)

    class Sum(nn.Module):
        def forward(self, flow):
            return {"loss_sum": flow.pixels.sum()}

    settings = PixelSettings(names=PixelNames(novel=True), labels=Fill(), objectives=[Sum()])
    model = segmentor(settings, PixelCrossEntropy())
    losses = model.loss([sample()], NAMES)
    assert set(losses) == {"loss_pixel", "loss_sum"}
    assert losses["loss_pixel"] > 0
    assert set(segmentor(PixelSettings(objectives=[Sum()])).loss([sample()], NAMES)) == {"loss_sum"}
    with pytest.raises(InputError, match="no criterion and no objective: it cannot learn"):
        segmentor().loss([sample()], NAMES)


def test_refinements_come_in_order():
    class Only(nn.Module):
        def __init__(self, row):
            super().__init__()
            self.row = row

        def forward(self, logits, images, levels):
            assert images.shape == (1, 3, 32, 64)
            assert levels[0].shape == (1, 8, 8, 16)
            return logits - 100 * torch.arange(3)[:, None, None].sub(self.row).abs()

    model = segmentor(refinements=[Only(2), Only(1), Only(1)])
    assert (model.segment([sample()], NAMES)[0] == 1).all()


def test_words_are_asked_for_where_the_answers_say_so():
    answers = PixelAnswers(synonyms=True, background_words=("sky",))
    model = segmentor(PixelSettings(answers=answers))
    twice = Vocabulary(("cat", "kite"), synonyms=(("kitten",), ()))
    found = model.segment([sample()], twice)[0]
    plain = segmentor().segment([sample()], Vocabulary.of(["cat", "kitten", "kite", "sky"]))[0]
    assert torch.equal(found, torch.tensor([0, 0, 1, IGNORED])[plain])


def test_the_task_is_checked():
    with pytest.raises(InputError, match="can be asked for semantic, got 'panoptic'"):
        segmentor().segment([sample()], NAMES, "panoptic")
    with pytest.raises(InputError, match="has no vocabulary"):
        segmentor()([sample()], mode="predict")


def test_it_runs_in_half_precision():
    labels = torch.randint(3, (32, 64))
    model = segmentor(criterion=PixelCrossEntropy())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss([sample(semantic=labels)], NAMES)["loss_pixel"]
        found = model.segment([sample()], NAMES)[0]
    loss.backward()
    assert torch.isfinite(loss)
    assert found.shape == (32, 64)


@pytest.mark.parametrize(
    "views", [PixelViews(window=128, step=64), PixelViews(window=100, step=50)]
)
def test_seams_of_windows_are_invisible(views):
    """Where a place sees less than a window, windows and the whole picture say the same."""
    names = Vocabulary.of([f"name {i}" for i in range(12)])
    one = sample(384, 512)
    whole = segmentor().segment([one], names)[0]
    tiled = segmentor(PixelSettings(views=views)).segment([one], names)[0]
    assert len(whole.unique()) > 2
    assert (whole != tiled).float().mean() < 0.01


BYTES = 3 * 2**29  # 1.5 GiB, the packages included; all maps at full size would be 6.7 GiB
LARGE = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from test_pixel import PixelSegmentor, PixelSettings, PixelViews, sample, segmentor
from ovdet.structures import Vocabulary
names = Vocabulary.of([f"name {i}" for i in range(150)])
views = PixelViews(window=512, step=384)
model = segmentor(PixelSettings(views=views))
class Coarse(torch.nn.Module):
    stride = 16
    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk
    def forward(self, images):
        return self.trunk(torch.nn.functional.avg_pool2d(images, 4))
model.trunk = Coarse(model.trunk)
labels = model.segment([sample(3000, 4000)], names)[0]
peak = next(li for li in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in li)
facts = {"size": list(labels.shape), "names": len(labels.unique())}
print(json.dumps(facts | {"bytes": int(peak.split()[1]) * 1024}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc for the memory")
def test_a_large_photo_with_many_names_needs_little_memory(request):
    command = [sys.executable, "-c", LARGE, str(request.path.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["size"] == [3000, 4000]
    assert found["names"] > 1
    assert found["bytes"] < BYTES, f"{found['bytes'] / 2**30:.2f} GiB"
