"""The scripts for bash and zsh: all sub-commands, their options and choices; files elsewhere."""

import shutil
import subprocess
import sys

import pytest

from ovdet import cli

shtab = pytest.importorskip("shtab")
BASH = shutil.which("bash")


def script(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.fixture
def complete(tmp_path, capsys):
    """Return what bash offers for the last of some words."""
    if BASH is None:
        pytest.skip("there is no bash")
    (tmp_path / "ovdet.sh").write_text(script("bash", capsys))
    (tmp_path / "photo.png").write_bytes(b"")

    def complete(*words):
        line = " ".join(f'"{word}"' for word in words)
        code = (
            f"source ovdet.sh; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
            'eval "$(complete -p ovdet | sed "s/.*-F \\([^ ]*\\).*/\\1/")" ovdet; '
            'echo "${COMPREPLY[@]}"'
        )
        how = {"cwd": tmp_path, "capture_output": True, "text": True}
        done = subprocess.run([BASH, "-c", code], check=False, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return complete


def test_bash_completes(complete):
    assert set(complete("ovdet", "")) >= {*cli.names()}
    assert complete("ovdet", "inf") == ["infer"]
    assert complete("ovdet", "infer", "photo.png", "--thr") == ["--threshold"]
    assert "semantic" in complete("ovdet", "infer", "photo.png", "--task", "")
    assert "photo.png" in complete("ovdet", "infer", "ph")
    assert "fetch" in complete("ovdet", "models", "")
    assert "coco-ov" in complete("ovdet", "convert", "coco-")


def test_zsh_gets_all_commands_and_options(capsys):
    text = script("zsh", capsys)
    assert text.startswith("#compdef ovdet")
    assert all(f" {name}:'" in text for name in cli.names())
    assert "--skip-bad" in text
    if zsh := shutil.which("zsh"):
        subprocess.run([zsh, "-n"], input=text, text=True, check=True)


def test_without_shtab_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["completion", "bash"]) == 2
    told = capsys.readouterr().err
    assert told == 'ovdet completion: completion needs shtab: pip install "ovdet[shell]"\n'


def test_it_comes_without_anything_slow():
    code = (
        "import sys\nfrom ovdet.cli import main\nmain(['completion', 'bash'])\n"
        "sys.exit(bool({'torch', 'numpy', 'cv2', 'mmengine'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
