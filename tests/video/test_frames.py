import threading
import time

import numpy as np
import pytest
from clips import numbered, spoil, write_clip

from ovdet.structures import InputError
from ovdet.video import Frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "a.clip.mp4", numbered())


def brightness(frames):
    return [frame.pixels.mean() for frame in frames]


def test_every_frame_in_order(clip):
    with Frames(clip) as frames:
        assert (frames.name, frames.rate, frames.count) == ("a.clip", 10, 20)
        seen = list(frames)
    assert [frame.index for frame in seen] == list(range(20))
    assert [frame.time for frame in seen] == pytest.approx([i / 10 for i in range(20)])
    assert brightness(seen) == pytest.approx([10 * i for i in range(20)], abs=6)
    assert seen[0].pixels.dtype == np.uint8
    assert (frames.bad, frames.dropped) == (0, 0)


def test_colours_are_red_first(tmp_path):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    with Frames(write_clip(tmp_path / "a.mp4", [red] * 3)) as frames:
        mean = next(iter(frames)).pixels.mean(axis=(0, 1))
    assert mean[0] > 200
    assert mean[2] < 60


def test_each_third_frame(clip):
    with Frames(str(clip), every=3) as frames:
        assert frames.rate == pytest.approx(10 / 3)
        assert [frame.index for frame in frames] == [0, 3, 6, 9, 12, 15, 18]


def test_only_so_many_are_read_ahead(clip):
    with Frames(clip, ahead=2) as frames:
        first = next(iter(frames))
        time.sleep(0.3)
        assert first.index == 0
        assert frames._waiting.qsize() == 2
        assert [frame.index for frame in frames] == list(range(1, 20))


def test_leaving_early_ends_the_thread(clip):
    before = threading.active_count()
    with Frames(clip, ahead=1) as frames:
        next(iter(frames))
    assert threading.active_count() == before


def test_bad_frames_are_counted_and_left_out(clip, tmp_path):
    with Frames(spoil(clip, tmp_path / "b.mp4")) as frames:
        seen = list(frames)
    assert frames.bad > 0
    assert len(seen) + frames.bad in (20, 21)
    assert (np.diff([frame.index for frame in seen]) >= 1).all()
    assert (np.diff([frame.time for frame in seen]) > 0).all()


def test_frames_that_a_cut_file_lacks_are_counted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3)).astype(np.uint8)
    whole = write_clip(tmp_path / "a.avi", list(noise), codec="MJPG").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    with Frames(tmp_path / "cut.avi") as frames:
        seen = len(list(frames))
    assert 5 < seen < 15
    assert frames.bad == frames.count - seen


class Camera:
    """Stands for a live source: 60 frames as fast as they are asked for, then nothing."""

    def __init__(self, _source):
        self.grabbed = 0

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return True

    def get(self, _what):
        return -1.0

    def grab(self):
        self.grabbed += 1
        return self.grabbed <= 60

    def retrieve(self):
        return True, np.full((4, 4, 3), self.grabbed, np.uint8)

    def release(self):
        pass


def test_a_live_source_drops_what_the_caller_is_too_slow_for(monkeypatch):
    monkeypatch.setattr("ovdet.video.frames.cv2.VideoCapture", Camera)
    monkeypatch.setattr("ovdet.video.frames._WAIT", 0.001)
    with Frames("rtsp://host/live/cam", ahead=4) as frames:
        assert (frames.name, frames.rate, frames.count) == ("cam", 30, 0)
        time.sleep(0.3)
        seen = list(frames)
    assert seen[-1].index == 59
    assert len(seen) + frames.dropped == 60
    assert len(seen) >= 4
    assert frames.bad == 0
    assert (np.diff([frame.time for frame in seen]) >= 0).all()


def test_a_camera_has_a_number(monkeypatch):
    monkeypatch.setattr("ovdet.video.frames.cv2.VideoCapture", Camera)
    for source in (3, "3"):
        with Frames(source) as frames:
            assert frames.name == "camera3"


def test_what_fails_in_the_thread_is_raised_to_the_caller(clip, monkeypatch):
    def fail(*_args):
        raise MemoryError("no room")

    monkeypatch.setattr("ovdet.video.frames.cv2.cvtColor", fail)
    with Frames(clip) as frames, pytest.raises(MemoryError, match="no room"):
        list(frames)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("none.mp4", {}, "none.mp4: cannot be read: No such file"),
        ("", {}, "must be a video file"),
        ("text.mp4", {}, "text.mp4: is not a video"),
        ("a.mp4", {"every": 0}, "every must be at least 1, got 0"),
        ("a.mp4", {"ahead": 0}, "ahead must be at least 1, got 0"),
    ],
)
def test_what_is_refused(tmp_path, name, options, message):
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(InputError, match=message):
        Frames(tmp_path / name, **options)
