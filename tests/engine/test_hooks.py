import io
import json
import sys

import pytest
from mmengine.hooks import Hook
from small_run import read_config

from ovdet.engine import build_runner, hooks
from ovdet.registry import HOOKS


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
