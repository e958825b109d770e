"""A kill at any moment costs nothing but time: the final weights are the same to the bit."""

import multiprocessing
import os
import random
import signal
import time

import pytest
import torch
from small_run import child, train

from ovdet.engine.checkpoints import find_last, load_checkpoint

KILLS = 10
OPTIONS = {
    "train.iters": 300,
    "train.checkpoint_interval": 3,
    "train.val_interval": 50,
    "train.dataset.pause": 0.002,
    "train.log_interval": 100,
}


@pytest.fixture(scope="module")
def processes():
    """Start processes that have imported everything already: a start then takes milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["small_run", "ovdet.engine"])
    return context


def test_ten_kills_leave_the_final_weights_as_they_are(tmp_path, processes):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_to_end(processes, whole)
    moments = random.Random(0)
    kills, seen = 0, set()
    while kills < KILLS:
        began = processes.Event()
        process = processes.Process(target=child, args=(str(killed), OPTIONS, began))
        process.start()
        assert began.wait(60)
        time.sleep(moments.uniform(0.0, 0.25))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, "training ended before it was killed ten times"
        kills += 1
        if (last := find_last(killed)) is not None:
            seen.add(load_checkpoint(last)["iter"])
    assert len(seen) > 3, "the kills must fall into different parts of the training"
    run_to_end(processes, killed)
    assert_equal(final(whole), final(killed))


def run_to_end(processes, folder):
    process = processes.Process(target=child, args=(str(folder), OPTIONS))
    process.start()
    process.join(120)
    assert process.exitcode == 0


def final(folder):
    assert [path.name for path in folder.glob(".*")] == []
    record = load_checkpoint(folder / f"iter_{OPTIONS['train.iters']}.pth")
    return {key: value for key, value in record.items() if key != "config"}


def assert_equal(first, second):
    """Compare nested containers exactly, tensors bit for bit."""
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


def test_a_pause_does_not_show_with_workers(tmp_path):
    options = {"train.iters": 6, "train.num_workers": 2}
    train(tmp_path / "workers", options)
    train(tmp_path / "alone", {"train.iters": 6})
    first, second = (
        load_checkpoint(tmp_path / name / "iter_6.pth")["model"] for name in ("workers", "alone")
    )
    assert_equal(first, second)
