import numpy as np

from ovdet.evaluation.matching import match

IOUS = 10


def matched(overlap, crowd=None, apart=None):
    overlap = np.array(overlap, np.float64)
    count = overlap.shape[1]
    crowd = np.array(crowd or [False] * count)
    apart = np.array([apart or [False] * count])
    found, idle = match(overlap, crowd, apart)
    assert found.shape == idle.shape == (IOUS, 1, len(overlap))
    return found[:, 0].sum(axis=0).tolist(), idle[:, 0].sum(axis=0).tolist()


def test_each_object_is_taken_once_by_the_best_scored():
    assert matched([[0.7], [0.99], [0.2]]) == ([5, 5, 0], [0, 0, 0])  # from 0.75 on it is free


def test_the_highest_overlap_is_taken_and_of_equals_the_later():
    # The first takes object 1; the second finds only object 0 free, at which it is not good enough.
    assert matched([[0.6, 0.8], [0.4, 0.8]])[0] == [7, 0]
    # Both fit the first equally, so it takes object 1 and leaves object 0 to the second.
    assert matched([[0.8, 0.8], [0.8, 0.3]])[0] == [7, 7]


def test_a_perfect_overlap_counts_at_every_threshold():
    assert matched([[1.0]])[0] == [10]


def test_what_nobody_has_to_find_comes_last_and_counts_neither_way():
    # Object 1 overlaps more, but object 0 counts. Where object 0 no longer fits, object 1 does.
    assert matched([[0.62, 0.9]], apart=[False, True]) == ([8 + 1], [9 - 3])


def test_a_crowd_is_never_used_up():
    found, idle = matched([[0.9], [0.8], [0.7]], crowd=[True], apart=[True])
    assert found == idle == [9, 7, 5]


def test_nothing_to_match():
    assert matched(np.zeros((2, 0))) == ([0, 0], [0, 0])
    assert matched(np.zeros((0, 2))) == ([], [])
