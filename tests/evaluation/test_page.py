import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from ovdet.evaluation.page import _brief, _label


def named(boxes):
    """Label boxes of a picture; return its frame and the extents of the names."""
    frame = Figure(figsize=(4, 4), dpi=100).add_axes((0, 0, 1, 1))
    frame.imshow(np.zeros((200, 200, 3), np.uint8))
    _label(frame, [(np.array(box, float), "red", f"name {i}") for i, box in enumerate(boxes)])
    return frame, [text.get_window_extent() for text in frame.texts]


def test_names_do_not_hide_each_other():
    rng = np.random.default_rng(0)
    corners = rng.random((60, 2)) * 150
    frame, extents = named(np.concatenate([corners, 20 + rng.random((60, 2)) * 20], axis=1))
    assert len(extents) > 20
    assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))
    inside = frame.get_window_extent()
    assert all(inside.x0 <= e.x0 and e.x1 <= inside.x1 for e in extents)
    assert all(inside.y0 <= e.y0 and e.y1 <= inside.y1 for e in extents)


def test_a_crowded_place_names_some():
    """One at the upper edge and one at the lower."""
    assert len(named([(50, 50, 80, 80)] * 30)[1]) == 2


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (999, "999"), (2618, "2.6k"), (9_960, "10k"), (1_400_000, "1.4M")],
)
def test_large_numbers_are_short(count, shown):
    assert _brief(count) == shown
