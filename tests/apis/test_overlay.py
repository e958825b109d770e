import numpy as np

from ovdet.apis.overlay import overlay

GREY = np.full((400, 500, 3), 100, np.uint8)


def test_tints_lines_and_what_is_left_alone():
    parts = np.full((400, 500), -1)
    parts[:, :200] = 0
    parts[:, 200:300] = 1
    drawn = overlay(GREY, parts, np.array([[200, 0, 0], [0, 50, 250]], np.uint8))
    assert drawn[50, 100].tolist() == [160, 40, 40]  # 0.6 of the colour, 0.4 of the picture
    assert drawn[50, 250].tolist() == [40, 70, 190]
    assert (drawn[:, 305:] == 100).all()
    for edge in (199, 299):
        assert (drawn[:, edge] == 255).all()
    assert (GREY == 100).all()


def test_small_pictures_are_enlarged_with_their_parts():
    parts = np.array([[0, 0, 1], [0, 0, 1]])
    drawn = overlay(GREY[:2, :3], parts, np.array([[0, 0, 0], [250, 250, 250]], np.uint8))
    assert drawn.shape == (2 * 213, 3 * 213, 3)  # 640 // 3
    assert drawn[0, 100].tolist() == [40] * 3
    assert drawn[0, 600].tolist() == [190] * 3


def test_nothing_to_tint():
    drawn = overlay(GREY, np.full((400, 500), -1), np.zeros((0, 3), np.uint8))
    assert (drawn == GREY).all()
