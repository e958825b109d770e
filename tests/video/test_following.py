import json

import cv2
import numpy as np
import pytest
from blobs import NAMES, blob_model
from clips import SIZE, moving, write_clip

from ovdet.apis import Tiled
from ovdet.video import Followed, Frame, Frames, Recording, follow
from ovdet.video.recording import annotated


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "a.mp4", moving())


def walks(seen):
    """Return for each identity its label and where its box's middle was."""
    paths = {}
    for one in seen:
        for found, number in zip(one.result, one.ids, strict=True):
            x = (found.box[0] + found.box[2]) / 2
            paths.setdefault(number, []).append((found.label, x))
    return paths


@pytest.mark.parametrize("tile", [None, 96])
def test_each_thing_keeps_its_identity_as_a_whole_and_on_tiles(clip, tile):
    model = blob_model()
    with Frames(clip) as frames:
        seen = list(follow(model if tile is None else Tiled(model, tile, 0.4), frames, NAMES))
    assert [len(one.result) for one in seen] == [3] * 12
    assert seen[0].ids == (None, None, None)
    paths = walks(seen[1:])
    assert sorted(paths) == [1, 2, 3]
    for path in paths.values():
        assert len(path) == 11
        assert len({label for label, _ in path}) == 1
        steps = np.diff([x for _, x in path])
        assert np.allclose(steps, steps[0], atol=2.5)  # the codec blurs the edges
    assert {label for path in paths.values() for label, _ in path} == {NAMES[0], NAMES[1]}
    assert model.detector.text.made == 3


def test_every_second_frame(clip):
    with Frames(clip, every=2) as frames:
        seen = list(follow(blob_model(), frames, NAMES, top_k=2))
    assert [one.frame.index for one in seen] == [0, 2, 4, 6, 8, 10]
    assert {len(one.result) for one in seen} == {2}


def test_a_recording(clip, tmp_path):
    video, lines = tmp_path / "deep/b.mp4", tmp_path / "deep/b.jsonl"
    with Frames(clip) as frames, Recording(video, lines, frames.rate) as recording:
        seen = []
        for one in follow(blob_model(), frames, NAMES):
            recording.add(one)
            seen.append(one)
    written = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert len(written) == 36
    assert set(written[0]) == {"frame", "time", "id", "label", "score", "box"}
    last = [row for row in written if row["frame"] == 11]
    assert {row["time"] for row in last} == {1.1}
    assert [(row["id"], row["label"]) for row in last] == list(
        zip(seen[-1].ids, seen[-1].result.labels, strict=True)
    )
    assert last[0]["box"] == pytest.approx(seen[-1].result.boxes[0].tolist(), abs=0.06)
    assert [line.split() for line in recording.table().splitlines()] == [
        ["class", "identities", "boxes"],
        ["a", "green", "thing", "1", "12"],
        ["red", "2", "24"],
    ]
    copy = cv2.VideoCapture(str(video))
    assert (copy.get(cv2.CAP_PROP_FRAME_COUNT), copy.get(cv2.CAP_PROP_FPS)) == (12, 10)
    assert copy.read()[1].shape == (480, 640, 3)  # small ones are enlarged, to read the names


def frame(size, number=None):
    result = blob_model().detect(np.zeros((*size, 3), np.uint8), NAMES)
    return Followed(Frame(0, 0.0, result.image), result, () if number is None else (number,))


def test_odd_sizes_and_a_change_of_size(tmp_path):
    with Recording(tmp_path / "a.mp4", tmp_path / "a.jsonl", 5.0) as recording:
        for size in ((333, 401), (333, 401), (480, 640)):
            recording.add(frame(size))
    assert recording.table() == "nothing found"
    assert (tmp_path / "a.jsonl").read_text() == ""
    copy = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert [copy.read()[0] for _ in range(4)] == [True, True, True, False]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "b.mp4").mkdir()
    recording = Recording(tmp_path / "b.mp4", tmp_path / "b.jsonl", 5.0)
    with recording, pytest.raises(OSError, match="a video cannot be written there"):
        recording.add(frame(SIZE))


def test_identities_are_drawn(clip):
    with Frames(clip) as frames:
        one = list(follow(blob_model(), frames, NAMES))[1]
    plain = one.result.plot()
    assert annotated(one).shape == plain.shape
    assert (annotated(one) != plain).any()
    assert (annotated(Followed(one.frame, one.result, (None,) * 3)) == plain).all()
