"""What holds for the repository as a whole: pins, targets, and what no file may name."""

import os
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SET_UP = ("demo", "dev", "mmdet")  # what `make setup` installs
LINES = PROJECT["dependencies"] + [line for extra in SET_UP for line in EXTRAS[extra]]
ASKED = [Requirement(line) for line in LINES]
PINNED = {
    requirement.name.lower(): requirement
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if (bare := line.split("#")[0].strip())
    for requirement in [Requirement(bare)]
}
# Written in two halves, so that this file does not name them either.
HOSTS = "pypi" + r"\.org|" + "python" + r"hosted|" + "file:" + "///"
UNWANTED = re.compile(HOSTS + r"|(?<![\w./])/" + "work/")


def tracked():
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout: what belongs to the repository is unknown")
    return [ROOT / name for name in done.stdout.split("\0") if name]


@pytest.mark.parametrize("asked", ASKED, ids=lambda requirement: requirement.name)
def test_each_dependency_is_pinned_within_its_range(asked):
    pin = PINNED[asked.name.lower()]
    (exact,) = pin.specifier
    assert exact.operator == "=="
    assert exact.version in asked.specifier


def test_each_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table = text[text.index("dependencies = [") : text.index("[tool.setuptools")]
    lines = [line for line in table.splitlines() if line.lstrip().startswith('"')]
    assert len(lines) >= len(PROJECT["dependencies"])
    assert not [line for line in lines if "# " not in line]


def test_make_has_its_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", text, flags=re.MULTILINE))
    assert targets >= {"setup", "demo", "test", "lint", "train-tiny"}


def test_what_is_run_is_executable():
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_no_file_names_a_host_or_a_machine():
    found = []
    for path in tracked():
        if path.exists() and path.suffix not in {".safetensors", ".png"}:
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in UNWANTED.finditer(text)]
    assert not found


def test_the_version_stands_once():
    import ovdet

    assert ovdet.__version__ == PROJECT["version"] == version("ovdet")
    assert f"version: {ovdet.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
