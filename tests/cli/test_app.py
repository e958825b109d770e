import sys

import pytest

import ovdet.apis
import ovdet.page
from ovdet import cli
from ovdet.apis.zoo import DEFAULT
from ovdet.structures import InputError


class Page:
    closed = False

    def close(self, verbose):
        assert not verbose
        self.closed = True


@pytest.fixture
def calls(monkeypatch):
    """What the command asked of the page and of load, by name."""
    calls, page = {}, Page()

    def build(shelf):
        shelf.get(shelf.names[0])
        return page

    def start(opened, host, port):
        calls["start"] = (opened, host, port)
        return f"http://{host}:{port}/"

    def stop():
        raise KeyboardInterrupt

    load = lambda name, **options: calls.setdefault("load", (name, options))  # noqa: E731
    for place, name, fake in (
        (ovdet.page, "build", build),
        (ovdet.page, "start", start),
        (ovdet.page, "wait", stop),
        (ovdet.page, "present", lambda: ("ovdet-tiny", "owlv2-base")),
        (ovdet.apis, "load", load),
    ):
        monkeypatch.setattr(place, name, fake)
    calls["page"] = page
    return calls


def test_by_itself_it_is_heard_by_this_machine_alone(calls, capsys):
    assert cli.main(["app"]) == 130
    assert calls["load"] == (DEFAULT, {"offline": False})
    assert calls["start"] == (calls["page"], "127.0.0.1", 7860)
    assert calls["page"].closed
    out, err = capsys.readouterr()
    assert out == "loading ovdet-tiny ...\nhttp://127.0.0.1:7860/  (Ctrl-C stops it)\n"
    assert err == "ovdet app: stopped\n"


def test_it_speaks_before_anything_slow_is_imported(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ovdet.apis", None)
    assert cli.main(["app", "--model", "big"]) == 2
    assert capsys.readouterr().out == "loading big ...\n"


def test_options_reach_the_page(calls):
    words = "app --model my/folder --host 0.0.0.0 --port 8000 --offline"
    assert cli.main(words.split()) == 130
    assert calls["load"] == ("my/folder", {"offline": True})
    assert calls["start"][1:] == ("0.0.0.0", 8000)


@pytest.mark.parametrize("error", [InputError("no such\nmodel"), ImportError("needs gradio")])
def test_what_is_wrong_is_one_line(calls, monkeypatch, capsys, error):  # noqa: ARG001 - fakes
    def fail(_):
        raise error

    monkeypatch.setattr(ovdet.page, "build", fail)
    assert cli.main(["app"]) == 2
    assert capsys.readouterr().err == f"ovdet app: {str(error).replace(chr(10), ' ')}\n"
