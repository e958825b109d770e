import json

import pytest
from small_run import read_config, train

from ovdet.engine import build_runner
from ovdet.registry import BuildError
from ovdet.structures import InputError


def test_an_earlier_run_is_not_overwritten(tmp_path):
    train(tmp_path, {"train.iters": 2})
    with pytest.raises(InputError, match="holds the checkpoints of an earlier run"):
        build_runner(read_config(), tmp_path)


def test_only_the_newest_checkpoints_stay(tmp_path):
    train(tmp_path, {"train.keep": 2})
    assert sorted(path.name for path in tmp_path.glob("iter_*")) == ["iter_6.pth", "iter_8.pth"]


def test_the_log_has_one_line_an_interval(tmp_path):
    train(tmp_path, {})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert [line["iter"] for line in steps] == [2, 4, 6, 8]
    assert all(line["loss"] == line["loss_colour"] for line in steps)
    assert lines[-1]["metrics"]["small/count"] == 7


def test_without_a_val_section_nothing_is_measured(tmp_path):
    config = read_config()
    config.pop("val")
    runner = build_runner(config, tmp_path)
    runner.train()
    assert runner.train_loop.metrics == {}


@pytest.mark.parametrize("name", ["model", "train", "optim"])
def test_a_missing_section_is_named(tmp_path, name):
    config = read_config()
    config.pop(name)
    with pytest.raises(InputError, match=f"must have a section '{name}'"):
        build_runner(config, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train.batchsize": 2}, "train: .* has no option 'batchsize'; did you mean 'batch_size'"),
        ({"optim.lrr": 2}, "optim: .* has no option 'lrr'; did you mean 'lr'"),
        ({"train.iters": 0}, "train: .*iters must be a whole number of at least 1, got 0"),
        ({"optim.type": "Adam"}, "optim: .*type must be AdamW, SGD or LAMB, got 'Adam'"),
        ({"optim.lr": -1}, "optim: .*lr must be above 0"),
        (
            {"train.dataset.type": "SmallDatum"},
            r"train.dataset: unknown type 'SmallDatum'; did you",
        ),
        ({"train.dataset.size": 0}, "must hold at least one sample"),
        ({"model.type": "SmalModel"}, "model: unknown type 'SmalModel'; did you mean 'SmallModel'"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, options, message):
    with pytest.raises((InputError, BuildError), match=message):
        build_runner(read_config(**options), tmp_path)


def test_mixed_precision_without_a_gpu_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="--amp needs a GPU"):
        build_runner(read_config(), tmp_path, amp=True)


def test_a_text_in_place_of_metrics_is_told(tmp_path):
    with pytest.raises(BuildError, match="metrics must be a list of metrics, got 'small'"):
        build_runner(read_config(**{"val.metrics": "small"}), tmp_path)
