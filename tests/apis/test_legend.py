import numpy as np
import pytest

from ovdet.apis.legend import with_legend

GREY = np.full((480, 640, 3), 77, np.uint8)


def entries(count, name="class {}"):
    # Colours that no letter has: letters are grey.
    return [(name.format(i), (200, 10 + i % 200, 5 + i // 200)) for i in range(count)]


def swatches(picture, shown):
    """Return which entries have their swatch in a picture."""
    return [(picture == colour).all(axis=2).sum() > 30 for _, colour in shown]


def test_the_picture_stays_in_the_upper_left():
    drawn = with_legend(GREY, entries(3))
    assert (drawn[:480, :640] == GREY).all()
    assert drawn.shape[1] == 640
    assert 0 < drawn.shape[0] - 480 < 40  # one row
    assert all(swatches(drawn[480:], entries(3)))
    assert with_legend(GREY, []) is GREY


def test_most_of_many_do_not_fit_and_nothing_overflows():
    shown = entries(150)
    drawn = with_legend(GREY, shown)
    assert 480 < drawn.shape[0] <= 480 * 4 / 3 + 12
    seen = swatches(drawn, shown)
    count = sum(seen)
    assert 20 < count < 150
    assert seen == [True] * count + [False] * (150 - count)  # the first ones
    assert (drawn[:, -1] == np.concatenate([GREY, drawn[480:] * 0 + 255])[:, -1]).all()


def test_those_left_out_are_counted(monkeypatch):
    written = []
    monkeypatch.setattr(
        "ovdet.apis.legend.shorten", lambda _font, text, _room: written.append(text) or text
    )
    with_legend(GREY, entries(150))
    assert written[-1] == f"and {150 - len(written) + 1} more"
    written.clear()
    with_legend(GREY, entries(5))
    assert written == [f"class {i}" for i in range(5)]


@pytest.mark.parametrize("size", [(1, 1), (400, 8), (8, 2000), (30, 640)])
def test_odd_pictures_and_long_names(size):
    image = np.zeros((*size, 3), np.uint8)
    drawn = with_legend(image, entries(40, "a very long name that does not end " * 9 + "{}"))
    assert drawn.shape[1] == max(size[1], 240)
    assert (drawn[:, -1][size[0] :] == 255).all()
    assert (drawn[: size[0], size[1] :] == 255).all()


def test_names_may_be_of_any_letters():
    with_legend(GREY, [("日本\n猫", (1, 2, 3)), ("\ud800", (4, 5, 6))])
