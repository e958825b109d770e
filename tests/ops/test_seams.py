import numpy as np
import pytest

from ovdet.ops.seams import Sightings, is_cut, join_sightings

SIZE = (100, 190)  # two tiles of 100 px that share 10 px, x 90 to 100; the margin is 2 px
TILES = [[0, 0, 100, 100], [90, 0, 190, 100]]
LEFT, RIGHT, WHOLE = 0, 1, 2


def sightings(*rows, size=SIZE, tiles=TILES):
    """Rows are (view, box, score, label)."""
    return Sightings(
        boxes=np.array([row[1] for row in rows], float).reshape(-1, 4),
        scores=np.array([row[2] for row in rows], float),
        labels=np.array([row[3] for row in rows], np.int64),
        views=np.array([row[0] for row in rows], np.int64),
        tiles=np.array(tiles, float),
        size=size,
    )


def test_nothing_seen():
    assert join_sightings(sightings()) == []


def test_only_inner_edges_cut():
    seen = sightings(
        (LEFT, [0, 0, 50, 100], 1, 0),  # along three borders of the picture
        (LEFT, [40, 5, 98.5, 20], 1, 0),  # 1.5 px from the inner edge
        (LEFT, [40, 5, 97.5, 20], 1, 0),
        (RIGHT, [91, 5, 120, 20], 1, 0),
        (RIGHT, [120, 5, 190, 20], 1, 0),
        (WHOLE, [0, 0, 190, 100], 1, 0),
    )
    assert is_cut(seen).tolist() == [False, True, False, True, False, False]


def test_a_cut_box_gives_way_to_what_the_tile_saw_that_shows_all_of_it():
    piece, whole = (LEFT, [93, 10, 100, 20], 0.9, 0), (RIGHT, [93, 10, 120, 20], 0.6, 0)
    assert join_sightings(sightings(piece, whole)) == [[1]]
    assert join_sightings(sightings(piece, (*whole[:3], 1))) == [[1]]  # whatever its name
    below = (RIGHT, [93, 16, 120, 40], 0.6, 0)  # covers 4 of the piece's 10 px
    assert join_sightings(sightings(piece, below)) == [[1], [0]]
    assert join_sightings(sightings(piece)) == [[0]]
    wider = (LEFT, [85, 10, 100, 20], 0.9, 0)  # the right tile does not show all of it
    assert join_sightings(sightings(wider, (RIGHT, [93, 10, 120, 20], 0.6, 1))) == [[1], [0]]


def test_what_lies_in_both_tiles_is_there_once_and_the_surest_stays():
    seen = sightings((LEFT, [92, 10, 98, 20], 0.5, 0), (RIGHT, [92, 10, 98, 20], 0.8, 0))
    assert join_sightings(seen) == [[1, 0]]


@pytest.mark.parametrize(("overlap_px", "count"), [(6, 1), (3, 2)])
def test_of_one_class_half_an_overlap_makes_one_object(overlap_px, count):
    # 8 px high each, in the shared strip: IoU 6 / 10 or 3 / 13
    seen = sightings(
        (LEFT, [93, 10, 97, 18], 0.8, 0),
        (RIGHT, [93, 18 - overlap_px, 97, 26 - overlap_px], 0.7, 0),
    )
    assert len(join_sightings(seen)) == count


@pytest.mark.parametrize(("high", "count"), [(18, 1), (15, 2)])
def test_of_two_classes_only_nearly_equal_whole_boxes_are_one_object(high, count):
    seen = sightings((LEFT, [93, 10, 97, 18], 0.8, 0), (RIGHT, [93, 10, 97, high], 0.7, 1))
    assert len(join_sightings(seen)) == count  # IoU 1 or 5 / 8


def test_the_names_that_the_surest_view_gives_all_stay():
    seen = sightings(
        (LEFT, [93, 10, 97, 18], 0.9, 0),
        (LEFT, [93, 10, 97, 18], 0.6, 1),
        (RIGHT, [93, 10, 97, 18], 0.8, 0),
        (RIGHT, [93, 10, 97, 18], 0.5, 1),
        (RIGHT, [93, 10, 97, 18], 0.4, 2),
    )
    assert [members[0] for members in join_sightings(seen)] == [0, 1]


def test_pieces_are_joined_where_no_tile_shows_the_whole():
    seen = sightings((LEFT, [50, 10, 100, 30], 0.6, 0), (RIGHT, [90, 11, 150, 30], 0.7, 0))
    assert join_sightings(seen) == [[1, 0]]
    other = sightings((LEFT, [50, 10, 100, 30], 0.6, 0), (RIGHT, [90, 60, 150, 80], 0.7, 0))
    assert join_sightings(other) == [[1], [0]]
    named = sightings((LEFT, [50, 10, 100, 30], 0.6, 0), (RIGHT, [90, 11, 150, 30], 0.7, 1))
    assert join_sightings(named) == [[1], [0]]


def test_pieces_of_a_chain_are_one_object():
    tiles = [[0, 0, 100, 100], [90, 0, 190, 100], [180, 0, 280, 100]]
    rows = [(0, [50, 10, 100, 30]), (1, [90, 10, 190, 30]), (2, [180, 10, 240, 30])]
    seen = sightings(*[(v, b, 0.5, 0) for v, b in rows], size=(100, 280), tiles=tiles)
    assert [sorted(members) for members in join_sightings(seen)] == [[0, 1, 2]]


def test_what_is_larger_than_a_tile_comes_from_the_whole_picture():
    seen = sightings(
        (LEFT, [20, 10, 100, 90], 0.9, 0),
        (RIGHT, [90, 12, 170, 90], 0.9, 0),
        (WHOLE, [20, 10, 170, 90], 0.4, 0),
        (WHOLE, [30, 40, 60, 70], 0.9, 0),  # the left tile shows all of it, and saw nothing
    )
    (members,) = join_sightings(seen)
    assert members[0] == 2
    assert sorted(members) == [0, 1, 2]


def test_what_one_view_gives_twice_stays():
    seen = sightings((LEFT, [10, 10, 50, 50], 0.9, 0), (LEFT, [10, 10, 50, 52], 0.8, 0))
    assert join_sightings(seen) == [[0], [1]]


def test_a_part_of_what_a_surer_view_shows_whole_goes():
    whole, part = [91, 10, 98, 30], [93, 12, 97, 20]
    tiles = [[0, 0, 110, 100], [80, 0, 190, 100]]  # inner parts: up to 107.8, from 82.2
    first = (LEFT, whole, 0.9, 0)
    assert join_sightings(sightings(first, (RIGHT, part, 0.8, 0), tiles=tiles)) == [[0]]
    both = (LEFT, part, 0.7, 0)
    seen = sightings(first, (RIGHT, part, 0.8, 0), both, tiles=tiles)
    assert join_sightings(seen) == [[0], [2]]  # the surer view shows the part by itself
    weaker = (LEFT, whole, 0.6, 0)
    assert join_sightings(sightings(weaker, (RIGHT, part, 0.8, 0), tiles=tiles)) == [[1], [0]]
    other = (RIGHT, part, 0.8, 1)
    assert join_sightings(sightings(first, other, tiles=tiles)) == [[0], [1]]
