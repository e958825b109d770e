import colorsys

import numpy as np
import pytest

from ovdet.apis.draw import class_colour, draw, text_colour

BLACK = np.zeros((700, 800, 3), np.uint8)


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def scores(count):
    return np.linspace(0.9, 0.5, count).astype(np.float32)


def test_nothing_found_leaves_the_picture():
    drawn = draw(BLACK, boxes(), [], scores(0), [])
    assert (drawn == BLACK).all()
    assert drawn is not BLACK


def test_the_class_colour_marks_box_and_mask():
    colour = class_colour("cat")
    mask = np.zeros((700, 800), bool)
    mask[300:400, 300:400] = True
    drawn = draw(BLACK, boxes([200, 200, 500, 500]), ["cat"], scores(1), [mask])
    assert tuple(drawn[200, 350]) == colour  # the upper edge
    assert tuple(drawn[350, 499]) == colour  # the right edge, inside the box
    assert tuple(drawn[300, 350]) == colour  # the mask's contour
    # The tint is 40 % of the colour over black.
    assert np.abs(drawn[350, 350] - np.array(colour) * 0.4).max() <= 1
    assert (drawn[600:, 600:] == 0).all()


def test_small_pictures_are_enlarged_by_a_whole_factor():
    small = np.zeros((60, 100, 3), np.uint8)
    mask = np.ones((60, 100), bool)
    drawn = draw(small, boxes([0, 0, 100, 60]), ["cat"], scores(1), [mask])
    assert drawn.shape == (360, 600, 3)  # 640 // 100 = 6
    assert draw(BLACK, boxes(), [], scores(0)).shape == BLACK.shape


@pytest.mark.parametrize("place", [[0, 0, 30, 20], [780, 0, 800, 20], [0, 680, 800, 700]])
def test_labels_stay_whole_at_the_edges(place):
    """A chip has the size that it has in the open, so nothing of it left the picture."""
    colour = np.array(class_colour("cat"))
    counts = []
    for box in (place, [300, 300, 320, 320]):
        drawn = draw(BLACK, boxes(box), ["cat"], scores(1))
        chip = draw(BLACK, boxes(box), ["cat"], scores(1)) == colour
        counts.append(int(chip.all(axis=2).sum()))
        assert drawn.shape == BLACK.shape
    outline = 2 * (place[2] - place[0] + place[3] - place[1]) * 2
    assert counts[0] > 300
    assert abs(counts[0] - counts[1]) < outline + 200


def test_labels_of_equal_boxes_do_not_cover_each_other():
    names = ["one", "two", "three", "four"]
    drawn = draw(BLACK, boxes(*[[300, 300, 500, 500]] * 4), names, scores(4))
    areas = [(drawn == np.array(class_colour(name))).all(axis=2).sum() for name in names]
    assert min(areas) > 300  # each chip keeps most of its ground


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (8, 2000)])
def test_odd_pictures(size):
    image = np.zeros((*size, 3), np.uint8)
    mask = np.ones(size, bool)
    drawn = draw(image, boxes([0, 0, size[1], size[0]]), ["a long name " * 20], scores(1), [mask])
    assert drawn.dtype == np.uint8
    assert drawn.shape[0] % size[0] == 0


def test_a_degenerate_box_outside_and_an_empty_mask():
    mask = np.zeros((700, 800), bool)
    draw(BLACK, boxes([900, 900, 900, 900]), ["cat"], scores(1), [mask])


def test_colours_depend_on_the_name_alone_and_are_bright():
    # sha256("cat") opens with 77af778b51: hue 0x77af778b / 2^32, saturation 0.65 + 0.3 * 0x51/255.
    hue, saturation, value = colorsys.rgb_to_hsv(*(v / 255 for v in class_colour("cat")))
    assert hue == pytest.approx(0x77AF778B / 2**32, abs=0.01)
    assert saturation == pytest.approx(0.65 + 0.3 * 0x51 / 255, abs=0.01)
    assert value >= 0.8
    assert len({class_colour(str(i)) for i in range(200)}) > 195


def test_text_contrasts_with_its_ground():
    assert text_colour((255, 255, 0)) == (0, 0, 0)
    assert text_colour((0, 0, 200)) == (255, 255, 255)
