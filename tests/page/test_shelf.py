import threading
from types import SimpleNamespace

import pytest

from ovdet.apis import cards
from ovdet.page import shelf
from ovdet.page.shelf import Shelf, present
from ovdet.structures import InputError


def test_a_model_is_loaded_once():
    loads = []
    models = Shelf(lambda name: loads.append(name) or object(), "a", ("b", "a"))
    assert models.names == ("a", "b")
    assert models.get("a") is models.get("a")
    assert models.get("b") is not models.get("a")
    assert loads == ["a", "b"]


def test_who_asks_meanwhile_waits():
    begun, go, loads = threading.Event(), threading.Event(), []

    def load(name):
        loads.append(name)
        begun.set()
        go.wait(10)
        return object()

    models, got = Shelf(load, "a"), []
    threads = [threading.Thread(target=lambda: got.append(models.get("a"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert loads == ["a"]
    assert got[0] is got[1]


@pytest.mark.parametrize("name", ["/etc/passwd", "mmdet:x.py", "", None])
def test_a_visitor_gets_only_what_stands_there(name):
    with pytest.raises(InputError, match="model must be one of a, got"):
        Shelf(lambda _: object(), "a").get(name)


def test_what_failed_is_tried_again():
    tries = []

    def load(name):
        tries.append(name)
        if len(tries) == 1:
            raise InputError("not yet")
        return object()

    models = Shelf(load, "a")
    with pytest.raises(InputError, match="not yet"):
        models.get("a")
    assert models.get("a")


def test_present_are_the_detectors_that_are_here(monkeypatch):
    here = {"ovdet-tiny", "tiny-clip", "owlv2-base"}
    monkeypatch.setattr(shelf, "is_here", lambda entry: entry.name in here)
    assert present() == ("ovdet-tiny", "owlv2-base")  # a CLIP finds nothing in a picture
    assert here <= {entry.name for entry in cards.entries()}


def test_a_card_says_what_a_model_can():
    tasks = {task for entry in cards.entries() for task in entry.card.tasks}
    assert tasks > shelf._FINDERS


def test_any_name_that_load_takes_may_open_the_page():
    model = SimpleNamespace(name="x")
    assert Shelf(lambda _: model, "folder/of/a/model", ("ovdet-tiny",)).get("folder/of/a/model")
