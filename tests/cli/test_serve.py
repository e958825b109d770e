import sys

import pytest

import ovdet.apis
import ovdet.serving
from ovdet import cli


class FakeModel:
    name = "fake"


@pytest.fixture
def served(monkeypatch):
    """Put fakes in the place of loading and serving; return what they were given."""
    seen = {}

    def load(name, **options):
        seen["load"] = (name, options)
        return FakeModel()

    def create_app(model, limits, *, key):
        seen["app"] = (model.name, limits, key)
        return "app"

    def serve(app, host, port, ready):
        seen["serve"] = (app, host, port)
        ready("http://there:1")

    monkeypatch.delenv("OVDET_API_KEY", raising=False)
    monkeypatch.setattr(ovdet.apis, "load", load)
    monkeypatch.setattr(ovdet.serving, "create_app", create_app)
    monkeypatch.setattr(ovdet.serving, "serve", serve)
    monkeypatch.setattr(ovdet.serving, "keep_freed", lambda: True)  # not in the tests' own process
    return seen


def test_defaults(served, capsys):
    assert cli.main(["serve"]) == 0
    options = {"checkpoint": None, "device": "auto", "precision": "float32", "offline": False}
    assert served["load"] == (None, options)
    assert served["app"] == ("fake", ovdet.serving.ServerLimits(), None)
    assert served["serve"] == ("app", "127.0.0.1", 8000)
    out, err = capsys.readouterr()
    assert out == "fake answers on http://there:1; Ctrl-C stops it\n"
    assert err == ""


def test_options(served):
    command = "serve --model c.py --checkpoint w.pth --device cpu --precision bfloat16 --offline"
    limits = "--max-batch 2 --wait-ms 0 --queue 0 --max-mb 1 --max-megapixels 2 --max-names 3"
    assert cli.main([*command.split(), *limits.split(), "--host", "::1", "--port", "0"]) == 0
    options = {"checkpoint": "w.pth", "device": "cpu", "precision": "bfloat16", "offline": True}
    assert served["load"] == ("c.py", options)
    assert served["app"][1] == ovdet.serving.ServerLimits(2, 0, 0, 1, 2, 3)
    assert served["serve"] == ("app", "::1", 0)


def test_key(served, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("OVDET_API_KEY", "from-env")
    assert cli.main(["serve", "--host", "0.0.0.0"]) == 0
    assert served["app"][2] == "from-env"
    path = tmp_path / "key"
    path.write_text(" from-file\n")
    assert cli.main(["serve", "--api-key-file", str(path)]) == 0
    assert served["app"][2] == "from-file"
    assert "without a key" not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", " \n", "two words", "schlüssel", "a\x00b"])
def test_bad_keys(served, text, tmp_path, capsys):
    path = tmp_path / "key"
    path.write_text(text)
    assert cli.main(["serve", "--api-key-file", str(path)]) == 2
    assert f"{path}: must hold one word of ASCII as the key" in capsys.readouterr().err
    assert served == {}


def test_open_to_all_without_a_key_is_said(served, caplog):
    assert cli.main(["serve", "--host", "0.0.0.0"]) == 0
    assert "without a key all who reach 0.0.0.0 may ask" in caplog.text
    caplog.clear()
    for host in ("localhost", "127.0.0.2", "::1"):
        assert cli.main(["serve", "--host", host]) == 0
    assert caplog.text == ""
    assert served["app"][2] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--max-batch", "0"], "batch must be above 0, got 0"),
        (["--wait-ms", "nan"], "wait_ms must be at least 0, got nan"),
        (["--api-key-file", "missing"], "missing"),
    ],
)
def test_bad_options_are_one_line(served, words, told, capsys):
    assert cli.main(["serve", *words]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert served == {}


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("ovdet.serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert cli.main(["serve"]) == 2
    err = capsys.readouterr().err
    assert err == 'ovdet serve: a server needs prometheus_client: pip install "ovdet[serve]"\n'
