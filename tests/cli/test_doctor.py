"""The whole command, on this machine and on one that is broken."""

import os
import subprocess
import sys
from pathlib import Path

import ovdet.checkup
from ovdet.checkup import NOTE, WRONG, Finding
from ovdet.cli import main

ROOT = Path(__file__).parents[2]


def doctor(*flags, **environment):
    return subprocess.run(
        [sys.executable, *flags, "-m", "ovdet", "doctor"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def shown(monkeypatch, capsys, *found):
    monkeypatch.setattr(ovdet.checkup, "examine", lambda: [("things", list(found))])
    return main(["doctor"]), capsys.readouterr().out.splitlines()


def test_marks_and_what_mends(monkeypatch, capsys):
    status, lines = shown(
        monkeypatch,
        capsys,
        Finding("good", "is there"),
        Finding("a", "may be", NOTE, "install a"),
        Finding("bad", "broken", WRONG, "mend it"),
        Finding("worse", "broken too", WRONG, "mend it"),
    )
    assert status == 1
    assert lines == [
        "things",
        "    good   is there",
        "  ? a      may be  [install a]",
        "  ! bad    broken",
        "  ! worse  broken too",
        "2 wrong; what mends it:",
        "  mend it",
    ]


def test_nothing_is_wrong(monkeypatch, capsys):
    assert shown(monkeypatch, capsys, Finding("a", "b")) == (
        0,
        ["things", "    a  b", "nothing is wrong"],
    )
    assert shown(monkeypatch, capsys)[0] == 0


def test_it_survives_packages_that_break_in_every_way(tmp_path):
    """One cannot be loaded, one lacks a library, one is empty."""
    library = "libGL.so.1: cannot open shared object file"
    for name, code in (
        ("torch", "raise OSError('a wheel for another machine')"),
        ("cv2", f"raise ImportError({library!r})"),
        ("numpy", ""),
    ):
        (tmp_path / f"{name}.py").write_text(code)
    done = doctor(PYTHONPATH=str(tmp_path), OVDET_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "fails: OSError: a wheel for another machine" in done.stdout
    assert "libgl1" in done.stdout
    mended = done.stdout.split("what mends it:")[1]
    assert "--force-reinstall --no-deps torch==" in mended
    assert "cache and models" in done.stdout


def test_it_survives_without_any_package():
    done = doctor("-S")
    assert done.returncode == 1
    assert done.stderr == ""
    assert f"pip install -e {ROOT}" in done.stdout.splitlines()[-1]
