import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from small_run import read_config

from ovdet.data import MultiSource, Source
from ovdet.engine import ImageCounts, build_runner, hooks
from ovdet.heads import FederatedClasses
from ovdet.registry import HOOKS
from ovdet.structures import InputError


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def run(tmp_path):
    def train(stream, **options):
        config = read_config(**options)
        runner = build_runner(config, tmp_path / "run")
        runner.train()
        return stream.getvalue()

    return train


@pytest.mark.parametrize(("stream", "bars"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_bar_is_for_terminals(run, monkeypatch, stream, bars):
    monkeypatch.setattr(sys, "stderr", stream)
    assert ("training" in run(stream)) is bars


def test_figures_are_means_over_the_interval(tmp_path):
    def losses(interval, name):
        options = {"train.log_interval": interval}
        build_runner(read_config(**options), tmp_path / name).train()
        lines = (tmp_path / name / "log.jsonl").read_text().splitlines()
        return [entry["loss"] for line in lines if "loss" in (entry := json.loads(line))]

    each, fours = losses(1, "each"), losses(4, "fours")
    assert fours == pytest.approx([sum(each[:4]) / 4, sum(each[4:]) / 4])


def test_the_last_step_is_always_reported_and_stored(tmp_path):
    options = {"train.iters": 5, "train.log_interval": 3, "train.checkpoint_interval": 3}
    build_runner(read_config(**options), tmp_path).train()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["iter"] for line in lines if "loss" in line] == [3, 5]
    assert sorted(path.name for path in tmp_path.glob("iter_*")) == ["iter_3.pth", "iter_5.pth"]


class Counting:
    """A data set that knows how many images show each of its classes."""

    def __init__(self, *counts):
        self.counts = np.array(counts)

    def image_counts(self):
        return self.counts


def run_of(dataset, model):
    return SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset), model=model)


def test_federated_classes_are_told_how_many_images_show_each():
    model = torch.nn.Sequential(torch.nn.ReLU(), FederatedClasses())
    ImageCounts().before_train(run_of(Counting(3, 0, 5), model))
    assert model[1].image_counts.tolist() == [3, 0, 5]


def test_of_several_sources_the_boxed_ones_count():
    model = torch.nn.Sequential(FederatedClasses())
    sources = [
        Source("boxes", Counting(3, 0, 5)),
        Source("more", Counting(1, 1, 0)),
        Source("labels", Counting(9, 9, 9), boxed=False),
        Source("captions", object()),
    ]
    ImageCounts().before_train(run_of(MultiSource(sources), model))
    assert model[0].image_counts.tolist() == [4, 1, 5]


@pytest.mark.parametrize(
    ("dataset", "part", "message"),
    [
        (object(), FederatedClasses(), "0 data sets count, 1 parts listen"),
        (Counting(1), torch.nn.ReLU(), "1 data sets count, 0 parts listen"),
    ],
)
def test_counts_nobody_has_or_hears(dataset, part, message):
    with pytest.raises(InputError, match=message):
        ImageCounts().before_train(run_of(dataset, torch.nn.Sequential(part)))


@HOOKS.register_module()
class SmallFigure(Hook):
    """Adds a figure to what was measured."""

    def after_val_epoch(self, runner, metrics=None):  # noqa: ARG002 - mmengine passes it
        metrics["small/added"] = 5


def test_hooks_of_the_config_add_figures_in_training_and_measuring(tmp_path):
    config = read_config(hooks=[{"type": "SmallFigure"}])
    build_runner(config, tmp_path / "train").train()
    last = json.loads((tmp_path / "train" / "log.jsonl").read_text().splitlines()[-1])
    assert last["metrics"]["small/added"] == 5
    measured = build_runner(config, tmp_path / "measure", train=False).val()
    assert measured["small/added"] == 5


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3725, "1:02:05"), (90000, "25:00:00")]
)
def test_the_clock(seconds, text):
    assert hooks._clock(seconds) == text
