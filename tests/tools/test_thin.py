"""Each thin file of tools/ is its sub-command under the tool's own name."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
# What is asked of each, and how its complaint begins.
ASKED = {
    "convert": ("voc none out", "convert.py: none: there is no such folder"),
    "evaluate": ("t.json r.json --protocol coco", "evaluate.py: t.json: cannot be read"),
    "infer": ("none.png --classes cat", "infer.py: none.png: cannot be read"),
    "label": ("none.py w.pth out.npz --device cpu", "label.py: none.py: there is no such config"),
    "models": ("show none", "models.py: model must be in the zoo"),
    "test": ("none.py", "test.py: none.py: there is no such config"),
    "train": ("none.py", "train.py: none.py: there is no such config"),
}
THIN = sorted(
    path.stem for path in TOOLS.glob("*.py") if "import run\n" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", THIN)
def test_it_speaks_under_its_own_name(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location(f"{name}_tool", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words, complaint = ASKED[name]
    assert module.main(words.split()) == 2
    told = capsys.readouterr().err
    assert told.startswith(complaint)
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", THIN)
def test_it_runs_where_nothing_is_installed(name, tmp_path):
    """``-S`` hides site-packages; the file finds the package beside it."""
    command = [sys.executable, "-S", str(TOOLS / f"{name}.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name}.py ")


def test_every_name_that_was_a_tool_still_is_one():
    assert set(THIN) == set(ASKED)
