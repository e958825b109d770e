import pytest
from PIL import ImageFont

from ovdet.apis import fonts
from ovdet.apis.fonts import font_for


@pytest.mark.parametrize("text", ["red car", "café", "собака", "Ελλάδα", "a b  c"])
def test_what_is_covered_is_printed_as_it_is(text):
    """DejaVu Sans, which matplotlib carries, has Latin, Greek and Cyrillic letters."""
    font, printed = font_for(text, 20)
    assert printed == text
    assert font.getlength(text) > 0


def test_what_no_font_has_becomes_an_escape():
    assert font_for("a \U0010abcd", 20)[1] == "a \\U0010abcd"


def test_without_any_installed_font_the_default_prints_escapes(monkeypatch):
    monkeypatch.setattr(fonts, "_installed", tuple)
    font, printed = font_for("собака", 20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert printed.isascii()
    assert font_for("red car", 20)[1] == "red car"
