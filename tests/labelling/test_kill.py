"""Killed at any moment, the files are in the end those of a run that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from quick_labels import Make, paint, task_of

from ovdet.labelling import Parts, begin, export, label
from ovdet.labelling.formats import writers

TESTS = Path(__file__).parents[1]
KILLS = 4
COUNT = 60
CODE = """
import sys
from pathlib import Path
from quick_labels import Make, task_of
from ovdet.labelling import begin, label, locked
if __name__ == "__main__":
    folder, out = map(Path, sys.argv[1:])
    with locked(out):
        plan = begin(out, task_of(folder, batch=3), threads=1)
        label(plan, Make(pause=0.02), workers=2)
"""


def start(folder, out):
    script = out.with_name("run.py")
    script.write_text(CODE)
    environment = os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    words = [sys.executable, str(script), str(folder), str(out)]
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE)


def lines(out):
    return sum(path.read_bytes().count(b"\n") for path in out.glob("parts/*.jsonl"))


@pytest.mark.slow
def test_kills_leave_the_files_as_they_are(tmp_path):
    folder = paint(tmp_path / "in", COUNT)
    (folder / "broken.png").write_bytes(b"no picture")
    moments = random.Random(0)
    out, states = tmp_path / "killed", []
    for kill in range(KILLS):
        process = start(folder, out)
        before, wanted = lines(out), moments.randrange(1, COUNT // KILLS - 3)
        while lines(out) < before + wanted and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"it ended before kill {kill}"
        states.append(lines(out))
    assert sorted(set(states)) == states, "each run must add to what is there"
    task = task_of(folder, batch=3)
    killed = label(begin(out, task, threads=1), Make())
    whole = label(begin(tmp_path / "whole", task, threads=1), Make(), workers=2)
    assert len(killed) == COUNT
    for parts in (killed, whole):
        export(parts, writers(["coco"]))
    for name in ("coco.json", "bad.txt", "summary.html"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert lines(out) < COUNT + 3 * (KILLS + 2), "hardly anything was done twice"


def test_any_cut_of_the_parts_leaves_the_file_as_it_is(tmp_path):
    """What a kill leaves is a beginning of what would have been written."""
    folder = paint(tmp_path / "in", 6)
    task = task_of(folder, batch=2)
    whole = label(begin(tmp_path / "whole", task, threads=1), Make())
    export(whole, writers(["coco"]))
    expected = (tmp_path / "whole" / "coco.json").read_bytes()
    (part,) = whole.plan.parts
    written = part.read_bytes()
    cut = begin(tmp_path / "cut", task, threads=1)
    (cut.out / "parts").mkdir()
    first = cut.out / "parts" / f"{cut.id}-00001.jsonl"
    second = cut.out / "parts" / f"{cut.id}-00002.jsonl"
    for length in range(0, len(written) + 1, 7):
        first.write_bytes(written[:length])
        second.unlink(missing_ok=True)
        places = {place for block in Parts(cut).todo() for place in block}
        kept = [line for line in written.splitlines(keepends=True) if _index(line) in places]
        second.write_bytes(b"".join(reversed(kept)))  # another order, some done twice
        export(Parts(cut), writers(["coco"]))
        assert (cut.out / "coco.json").read_bytes() == expected


def _index(line):
    return int(line.split(b",")[0].rpartition(b":")[2])
