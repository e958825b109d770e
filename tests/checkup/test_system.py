import pytest

from ovdet.checkup import GOOD, NOTE, WRONG, system


def test_libraries(monkeypatch):
    monkeypatch.setattr(system.sys, "platform", "linux")
    monkeypatch.setattr(system, "_opens", lambda name: name == "libgthread-2.0.so.0")
    monkeypatch.setattr(system, "_imports", lambda _: True)
    gl, glib = system.look_at_libraries()
    assert (gl.state, glib.state) == (NOTE, GOOD)
    monkeypatch.setattr(system, "_imports", lambda _: False)
    assert next(system.look_at_libraries()).state == WRONG
    assert "libgl1" in next(system.look_at_libraries()).fix
    monkeypatch.setattr(system.sys, "platform", "darwin")
    assert not list(system.look_at_libraries())


def test_a_library_that_is_not_there_does_not_open():
    assert not system._opens("libno-such-library.so.9")
    assert not system._imports("no_such_module")


def test_the_sticker_font(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_STICKER_FONT", "nowhere.ttf")
    (named,) = system.look_at_sticker_font()
    assert (named.state, named.fix) == (WRONG, "unset OVDET_STICKER_FONT")
    (tmp_path / "a.ttf").write_bytes(b"")
    monkeypatch.setenv("OVDET_STICKER_FONT", str(tmp_path / "a.ttf"))
    assert next(system.look_at_sticker_font()).said == str(tmp_path / "a.ttf")
    monkeypatch.delenv("OVDET_STICKER_FONT")
    monkeypatch.setattr("ovdet.data.stickers.sprites._FONT_PLACES", ())
    (absent,) = system.look_at_sticker_font()
    assert absent.state == NOTE
    assert "fonts-noto-color-emoji" in absent.fix


@pytest.mark.parametrize(("drawn", "state"), [("猫", GOOD), ("\\u732b", NOTE)])
def test_the_label_font(monkeypatch, drawn, state):
    monkeypatch.setattr("ovdet.apis.fonts.font_for", lambda *_: (None, drawn))
    (found,) = system.look_at_label_font()
    assert found.state == state
    assert ("fonts-noto-cjk" in found.fix) == (state == NOTE)
