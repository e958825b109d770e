"""`import ovdet` and `--help` stay light: held by what is imported, not by the clock."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "transformers", "mmdet", "mmcv", "open_clip", "cv2", "mmengine"}
TOOLS = sorted(
    path
    for path in (ROOT / "tools").rglob("*.py")
    if "__main__" in path.read_text(encoding="utf-8")
)
TELL = "import sys; print('LOADED', *{m.split('.')[0] for m in sys.modules})"


def loaded(code):
    """Run code in a fresh interpreter; return the packages it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{TELL}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("LOADED", 1)[1].split())


def test_import_is_light():
    assert "ovdet" in loaded("import ovdet")
    assert not loaded("import ovdet") & HEAVY


def test_a_heavy_import_would_be_seen():
    assert "torch" in loaded("import ovdet; ovdet.load")


def test_unknown_name_is_told():
    import ovdet

    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = ovdet.lode


def test_public_names_exist():
    import ovdet

    missing = [name for name in ovdet.__all__ if not hasattr(ovdet, name)]
    assert not missing


def test_there_are_tools():
    assert {path.stem for path in TOOLS} >= {"train", "test", "infer", "convert", "prove"}


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.name)
def test_help_is_light(path):
    code = f"""
import runpy, sys
sys.argv = [{str(path)!r}, "--help"]
try:
    runpy.run_path({str(path)!r}, run_name="__main__")
except SystemExit as stop:
    status = stop.code
"""
    early = loaded(code + "\nif status not in (0, None): raise RuntimeError(status)") & HEAVY
    assert not early, f"{path.name} --help loads {early}"
