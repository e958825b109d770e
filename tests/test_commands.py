"""The commands that pages show: every one is understood, and those of PAGES are run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from ovdet import cli

ROOT = Path(__file__).parents[1]
PAGES = ("ovdet/cli/README.md", "README.md", "model_zoo/README.md")
TOOLS = {"label": "prepare"}  # sub-commands by the tool's name, where they differ
# What is not run, by how it begins, and why.
EXCUSED = {
    "make ": "installs packages; what it calls is tested by itself",
    "torchrun ": "needs eight GPUs and COCO; tests/engine/test_processes.py runs two processes",
    "ovdet prepare ": "needs COCO and a trained detector; tests/cli/test_prepare.py runs it",
    "ovdet models fetch ": "needs the network; tests/cli/test_models.py fetches from a server here",
    "ovdet infer photo.jpg --classes cat 'red car' --model owlv2-base": "fetches 620 MB",
}
_BLOCK = re.compile(r"^```sh\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"^(?:torchrun .*?|\S*python )?(?:-m )?(?:\S*/)?(?:ovdet|tools/(\w+)\.py) ")


def blocks(text):
    """Yield the lines of a page's shell blocks, continued lines joined."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line


def as_command(line):
    """Return a line as words of ``ovdet``, [name, ...]; None where it calls something else."""
    call = _CALL.match(line)
    words = shlex.split(line[call.end() :], comments=True) if call else []
    name = TOOLS.get(call[1], call[1]) if call else None
    words = [name, *words] if name else words
    return words if words and words[0] in cli.names() else None


def shown():
    """Yield (place, words) of each command of pages, configs and help texts."""
    done = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    pages = set(done.stdout.split()) | set(PAGES)
    lines = [(page, line) for page in sorted(pages) for line in blocks((ROOT / page).read_text())]
    for folder in ("configs", "ovdet/cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]
            found = [line for line in text.splitlines() if _CALL.match(line)]
            lines += [(path.relative_to(ROOT).as_posix(), line) for line in found]
    for place, line in lines:
        words = as_command(line.partition(" > ")[0])
        if words and not any(word.startswith("...") for word in words):
            yield place, words


SHOWN = list(shown())
RUN = [line for page in PAGES for line in blocks((ROOT / page).read_text(encoding="utf-8"))]


def reason(line):
    """Return why a line is not run; empty where it is."""
    words = as_command(line)
    plain = line if words is None or line.startswith("torchrun") else shlex.join(["ovdet", *words])
    return next((why for start, why in EXCUSED.items() if plain.startswith(start)), "")


def test_there_are_commands():
    assert len(SHOWN) > 100
    assert {words[0] for _, words in SHOWN} >= {"infer", "train", "test", "convert", "evaluate"}


@pytest.mark.parametrize("place", sorted({place for place, _ in SHOWN}))
def test_what_a_page_shows_is_understood(place):
    """The options exist, and so do the configs that are named."""
    for where, words in SHOWN:
        if where == place:
            parser = cli.parser_of(import_module(f"ovdet.cli.{words[0]}"), words[0])
            assert parser.parse_args(words[1:]).program == words[0]
            named = [word for word in words if word.startswith(("configs/", "model_zoo/"))]
            assert [word for word in named if not (ROOT / word).exists()] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a reader stands: in a checkout, with pictures and results of theirs."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("configs", "tools", "model_zoo"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("photo.jpg", "photos/a.png", "more/b.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.effect_noise((96, 64), 60).convert("RGB").save(folder / name)
    (folder / "names.txt").write_text("cat\ndog\n")
    (folder / "bin").mkdir()
    script = folder / "bin" / "ovdet"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ovdet "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.mark.parametrize("line", [line for line in RUN if not reason(line)])
def test_a_command_runs(line, folder, monkeypatch, capfd):
    """In order, for a later one reads what an earlier one wrote."""
    monkeypatch.chdir(folder)
    words = as_command(line)
    if words is None or " > " in line:
        run_in_bash(line, folder)
        return
    if words[0] == "evaluate":
        write_results(Path(words[1]), Path(words[2]))
    status = cli.main(words)
    told = capfd.readouterr()
    assert status in ({0, 1} if words[0] == "doctor" else {0}), told.err
    assert told.out or told.err


def run_in_bash(line, folder):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    home = {"HOME": str(folder), "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [bash, "-c", line], env=os.environ | home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def write_results(truth, results):
    """Write results that find what the truth holds."""
    found = json.loads(truth.read_text())["annotations"]
    kept = ("image_id", "category_id", "bbox")
    results.write_text(json.dumps([{key: o[key] for key in kept} | {"score": 1.0} for o in found]))


def test_what_is_excused_is_shown():
    assert set(EXCUSED.values()) <= {reason(line) for line in RUN}
