from types import SimpleNamespace

import pytest

from ovdet.page import Shelf, events
from ovdet.page.desk import LOWEST, Desk
from ovdet.structures import InputError

pytest.importorskip("gradio")
STAY = "stay"


@pytest.fixture
def sent(photo, monkeypatch):
    """The photo, as if a visitor had sent it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(photo.parent))
    return SimpleNamespace(path=str(photo), name="../my photo.png")


@pytest.fixture
def desk(sent):
    return events._changing(events._put)(Desk(), sent)[0]


def test_a_picture_that_was_sent_is_shown(desk):
    assert desk.file_name == "my photo.png"
    assert desk.show()["picture"]["width"] == 200


def test_a_path_outside_the_folder_is_not_read(sent, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("private") / "secret.png"
    elsewhere.write_bytes(b"")
    for path in (elsewhere, "/etc/passwd", f"{sent.path}/../../secret.png", None):
        desk, shown = events._changing(events._put)(
            Desk(), SimpleNamespace(path=path, name="x.png")
        )
        assert desk.pixels is None
        assert shown["message"] == "a picture must be sent before it is shown"


def test_a_broken_picture_is_one_line_and_the_last_one_stays(desk, sent):
    with open(sent.path, "wb") as file:  # noqa: PTH123 - the visitor's next picture
        file.write(b"hello")
    after, shown = events._changing(events._put)(desk, sent)
    assert after is desk
    assert shown["message"] == "my photo.png: is not a picture that can be read"
    assert shown["picture"] is desk.picture


def test_asking_aloud_says_what_is_wrong(desk, shelf):
    ask = events._ask(shelf)
    assert ask(Desk(), "first", ["cat"])[1]["message"] == "drop a picture first"
    assert ask(desk, "first", [])[1]["message"] == "type a name first"
    assert "model must be one of first" in ask(desk, "other", ["cat"])[1]["message"]
    after, shown = ask(desk, "first", ["cat"])
    assert shown["message"] == ""
    assert shown["objects"][0]["label"] == "cat"
    assert after.answers("first", ["cat"])


@pytest.mark.parametrize("error", [InputError("rule:\nvalue"), RuntimeError("out of memory")])
def test_what_a_model_refuses_is_one_line(desk, shelf, model, monkeypatch, error):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(model, "detect", fail)
    after, shown = events._ask(shelf)(desk, "first", ["cat"])
    assert after is desk
    assert shown["message"] == str(error).replace("\n", " ")


def test_going_on_complains_of_nothing(desk, shelf, model):
    go_on = events._go_on(shelf, STAY)
    assert go_on(Desk(), "first", ["cat"]) == (STAY, STAY)
    found, shown = go_on(desk, "first", ["cat"])
    assert len(shown["objects"]) == 1
    assert go_on(found, "first", ["cat"]) == (STAY, STAY)
    cleared, shown = go_on(found, "first", [])
    assert cleared.result is None
    assert shown["objects"] is None
    assert len(model.asked) == 1


def test_examples_are_drawn_and_forgotten(desk, shelf):
    draw, forget = events._changing(events._draw), events._changing(events._forget)
    drawn, shown = draw(desk, SimpleNamespace(label="thing", box=[10, 20, 50, 60]))
    assert shown["examples"][0]["label"] == "thing"
    found, shown = events._go_on(shelf, STAY)(drawn, "first", [])
    assert shown["objects"][0]["label"] == "thing"
    assert "blank" in draw(desk, SimpleNamespace(label=" ", box=[10, 20, 50, 60]))[1]["message"]
    bare, shown = forget(found, SimpleNamespace(label="thing"))
    assert shown["examples"] == []
    assert events._go_on(shelf, STAY)(bare, "first", [])[1]["objects"] is None


def test_the_slider_stands_where_the_model_wants_it(shelf, model):
    threshold = events._threshold(shelf, STAY)
    assert threshold("first", "before") == (0.3, "first")
    assert threshold("other", "before") == (STAY, STAY)
    model.settings = SimpleNamespace(threshold=0.01)
    assert threshold("first", "before") == (LOWEST, "first")


def test_the_slider_stays_where_the_menu_only_closed(shelf):
    assert events._threshold(shelf, STAY)("first", "first") == (STAY, STAY)


def test_files(desk, shelf):
    write = events._write(".json", STAY)
    file, shown = write(desk, 0.3)
    assert (file, shown["message"][:29]) == (STAY, "there is nothing to download:")
    file, shown = write(events._ask(shelf)(desk, "first", ["cat"])[0], 0.3)
    assert file["name"] == "my photo_found.json"
    assert shown == STAY


def test_a_model_that_cannot_be_loaded_says_so_when_asked(desk):
    def load(_):
        raise OSError(28, "No space left")

    shown = events._ask(Shelf(load, "big"))(desk, "big", ["cat"])[1]
    assert "No space left" in shown["message"]
