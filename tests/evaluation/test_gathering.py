"""Two processes with an odd number of samples find what one finds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from metric_run import measure

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(ROOT / "tests" / "metric_run.py")]
    done = subprocess.run(
        [*command, str(tmp_path / "figures.json")],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    together = json.loads((tmp_path / "figures.json").read_text())
    alone = measure()
    assert len(alone) > 15
    assert together == pytest.approx(alone, nan_ok=True)
