"""Two processes under torchrun, on the CPU: they share the samples and resume exactly."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_run import CONFIG

from ovdet.engine.checkpoints import load_checkpoint

ROOT = Path(__file__).parents[2]


def launch(config, folder, *words):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(ROOT / "tools" / "train.py"), str(config)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "--work-dir", str(folder), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_two_processes_resume_exactly(tmp_path):
    config = tmp_path / "small.py"
    config.write_text(CONFIG)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    done = launch(config, whole)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("step 8/8") == 1, "one process talks"
    resumed.mkdir()
    (resumed / "iter_6.pth").write_bytes((whole / "iter_6.pth").read_bytes())
    assert launch(config, resumed, "--resume").returncode == 0
    first, second = (load_checkpoint(folder / "iter_8.pth") for folder in (whole, resumed))
    assert first["position"] == 8 * 3 * 2
    for name, value in first["model"].items():
        assert torch.equal(value, second["model"][name]), name
