import os
import subprocess
import sys

import pytest

from ovdet import cli


@pytest.mark.parametrize("command", cli.names())
def test_help_comes_without_torch(command):
    """What makes help slow is what it imports; the time itself is the machine's affair."""
    code = (
        "import sys\nfrom ovdet.cli import main\n"
        f"try:\n    main(['{command}', '--help'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "slow = {'torch', 'numpy', 'mmengine', 'transformers', 'cv2'} & set(sys.modules)\n"
        "sys.exit(f'imported {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"ovdet {command}" in done.stdout


def test_the_whole_lists_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in cli.names())


@pytest.mark.parametrize("words", [["nothing"], ["--nothing"]])
def test_a_wrong_command_is_one_line(words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_module_is_the_command():
    words = [sys.executable, "-m", "ovdet", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.startswith("ovdet 0.")
