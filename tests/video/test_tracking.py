import sys

import numpy as np
import pytest

from ovdet.apis import Result
from ovdet.structures import InputError, Vocabulary
from ovdet.video import Tracker

IMAGE = np.zeros((100, 200, 3), np.uint8)
NAMES = Vocabulary.of(["a  dog", "wolf"])


def found(*rows):
    """Rows are (x, score, class): boxes of 20 px at y 10."""
    boxes = [[x, 10, x + 20, 30] for x, _, _ in rows]
    return Result(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in rows], np.float32),
        np.array([label for _, _, label in rows], np.int64),
        NAMES,
        IMAGE,
    )


def track(*frames, rate=10.0, threshold=0.5):
    """Return for each frame what is shown: (x, id), best first."""
    tracker, seen = Tracker(threshold, rate), []
    for number, frame in enumerate(frames):
        if frame is None:
            continue
        result, ids = tracker.update(found(*frame), number / rate)
        seen.append([(round(box[0]), n) for box, n in zip(result.boxes.tolist(), ids, strict=True)])
    return seen


def test_an_identity_begins_with_the_second_frame_and_follows_its_object():
    frames = [[(10 + 4 * i, 0.9, 0), (150 - 4 * i, 0.8, 0)] for i in range(4)]
    seen = track(*frames)
    assert seen[0] == [(10, None), (150, None)]
    ids = [[n for _, n in frame] for frame in seen[1:]]
    assert ids[0] == ids[1] == ids[2]
    assert sorted(ids[0]) == [1, 2]


def test_a_weak_box_continues_an_identity_and_begins_none():
    seen = track([(10, 0.9, 0)], [(10, 0.9, 0)], [(10, 0.3, 0), (120, 0.3, 0)])
    assert seen == [[(10, None)], [(10, 1)], [(10, 1)]]


def test_classes_do_not_share_identities():
    both = [(10, 0.9, 0), (10, 0.8, 1)]
    seen = track(both, both, both[::-1])
    assert [n for _, n in seen[1]] == [1, 2]
    assert [n for _, n in seen[2]] == [2, 1]


def test_an_object_that_comes_back_soon_is_the_same():
    here, nothing = [(10, 0.9, 0)], []
    assert track(here, here, nothing, nothing, here)[-1] == [(10, 1)]
    later = track(here, here, *[nothing] * 15, here, here)
    assert later[-1] == [(10, 2)]


def test_lost_frames_do_not_lose_identities():
    frames = [[(10 + 3 * i, 0.9, 0)] for i in range(8)]
    frames[4] = frames[5] = None
    assert track(*frames)[-1] == [(31, 1)]


def test_nothing_found():
    assert track([], [], [(10, 0.9, 0)]) == [[], [], [(10, None)]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0, "rate": 1}, r"must lie in \(0, 1\], got 0"),
        ({"threshold": 0.5, "rate": 0}, "rate must be above 0 frames a second, got 0"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Tracker(**options)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(
        ImportError, match=r'identities need trackers: pip install "ovdet\[track\]"'
    ):
        Tracker(0.5, 10)
