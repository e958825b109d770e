import numpy as np
import pytest
from blobs import NAMES, blob_model, paint
from PIL import Image

from ovdet.apis import Tiled
from ovdet.apis.tiling import cut_tiles, reduced
from ovdet.structures import InputError


def rows(result):
    return sorted(
        (label, *(round(v) for v in box))
        for label, box in zip(result.labels, result.boxes.tolist(), strict=True)
    )


def truth(*blobs):
    return sorted((NAMES[label], *box) for *box, label in blobs)


@pytest.mark.parametrize("size", [(100, 100), (99, 40), (101, 100), (250, 431), (1000, 64)])
@pytest.mark.parametrize("overlap", [0.1, 0.25, 0.5])
def test_tiles_cover_the_picture_and_share_enough(size, overlap):
    tiles = np.array(cut_tiles(size, 100, overlap))
    seen = np.zeros(size, int)
    for x1, y1, x2, y2 in tiles:
        assert (x2 - x1, y2 - y1) == (min(100, size[1]), min(100, size[0]))
        seen[y1:y2, x1:x2] += 1
    assert seen.min() == 1 if len(tiles) < 3 else seen.min() >= 1
    for axis in (0, 1):
        starts = np.unique(tiles[:, axis])
        assert (np.diff(starts) <= 100 - 100 * overlap).all()


def test_a_small_picture_is_one_tile():
    model = blob_model()
    blobs = (3, 4, 20, 30, 0), (40, 4, 60, 30, 1)
    picture = paint((64, 64), *blobs)
    result = Tiled(model, 64).detect(picture, NAMES)
    assert rows(result) == truth(*blobs)
    assert model.detector.shapes == [[(64, 64)]]


def many():
    """Blobs of 7 to 19 px all over a picture, whatever the tiles' edges."""
    rng = np.random.default_rng(0)
    return [
        (x, y, x + int(rng.integers(7, 20)), y + int(rng.integers(7, 20)), int(rng.integers(3)))
        for y in range(1, 280, 23)
        for x in range(2, 470, 23)
    ]


@pytest.mark.parametrize(("side", "batch"), [(100, 8), (80, 1), (131, 3)])
def test_each_object_is_found_once_and_whole(side, batch):
    blobs, model = many(), blob_model()
    picture = paint((300, 500), *blobs)
    result = Tiled(model, side, 0.3).detect(picture, NAMES, top_k=1000, batch_size=batch)
    assert rows(result) == truth(*blobs)
    assert (np.diff(result.scores) <= 0).all()
    assert max(len(shapes) for shapes in model.detector.shapes) <= batch
    for found in result:
        x1, y1, x2, y2 = (round(v) for v in found.box)
        assert found.mask.sum() == found.mask[y1:y2, x1:x2].sum() == (x2 - x1) * (y2 - y1)
    assert result.image.shape == (300, 500, 3)


def test_names_are_encoded_once():
    model = blob_model()
    Tiled(model, 100).detect([paint((300, 300), *many())] * 2, NAMES)
    assert model.detector.text.made == 3


def test_pieces_of_what_no_tile_shows_whole_are_joined_with_their_masks():
    blob = (60, 70, 150, 160, 1)  # in four tiles of 100 px, in none whole
    model = blob_model()
    tiled = Tiled(model, 100, 0.2)
    tiled.model.detect = without_the_whole(model.detect, (180, 180))
    result = tiled.detect(paint((180, 180), blob), NAMES)
    assert rows(result) == truth(blob)
    assert result[0].mask.sum() == 90 * 90
    assert result[0].mask[70:160, 60:150].all()


def without_the_whole(detect, size):
    """Return a ``detect`` that sees nothing in a picture of that size."""

    def seen(images, classes, **how):
        results = detect(images, classes, **how)
        return [r[:0] if r.image.shape[:2] == size else r for r in results]

    return seen


def test_what_is_larger_than_a_tile_is_seen_in_the_whole_picture():
    blob = (20, 30, 280, 190, 0)
    for masks in (True, False):
        result = Tiled(blob_model(masks), 100, 0.2).detect(paint((220, 300), blob), NAMES)
        assert rows(result) == truth(blob)
        assert (result.masks is None) != masks
    assert Tiled(blob_model(), 100).detect(paint((220, 300), blob), NAMES).masks.sum() == 260 * 160


def test_the_whole_of_a_very_large_picture_is_reduced(monkeypatch):
    monkeypatch.setattr("ovdet.apis.tiling._WHOLE", 200)
    blob, model = (40, 60, 360, 340, 0), blob_model()
    result = Tiled(model, 100, 0.2).detect(paint((400, 400), blob), NAMES)
    assert model.detector.shapes[-1] == [(200, 200)]
    assert rows(result) == truth(blob)
    assert result[0].mask.sum() == 320 * 280
    assert result[0].mask[60:340, 40:360].all()


def test_reducing_keeps_the_proportions():
    assert reduced(np.zeros((40, 100, 3), np.uint8), 50).shape == (20, 50, 3)
    small = np.zeros((40, 50, 3), np.uint8)
    assert reduced(small, 50) is small


def test_nothing_found():
    result = Tiled(blob_model(), 64).detect(paint((200, 200)), NAMES)
    assert (len(result), result.masks.shape) == (0, (0, 200, 200))
    assert result.boxes.shape == (0, 4)


def test_the_best_of_all_tiles_come_back():
    result = Tiled(blob_model(), 100).detect(paint((300, 500), *many()), NAMES, top_k=7)
    everything = Tiled(blob_model(), 100).detect(paint((300, 500), *many()), NAMES, top_k=999)
    assert rows(result) == rows(everything[:7])


def test_a_file_s_name_stays(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(paint((90, 90), (5, 5, 20, 20, 0))).save(path)
    for side in (100, 50):
        (result,) = Tiled(blob_model(), side).detect([path], list(NAMES))
        assert (result.file_name, len(result)) == (str(path), 1)


def test_segment_gives_masks_too():
    blobs = many()
    tiled = Tiled(blob_model(), 100, 0.3)
    assert tiled.task == "detect"
    result = tiled.segment(paint((300, 500), *blobs), NAMES, top_k=1000)
    assert rows(result) == truth(*blobs)
    with pytest.raises(InputError, match="tiles are for objects: ask for instance, not for sem"):
        tiled.segment(paint((30, 30)), NAMES, "semantic")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 31}, "side of a tile must be at least 32 px, got 31"),
        ({"overlap": 0.0}, "above 0 and at most 0.5, got 0.0"),
        ({"overlap": 0.6}, "got 0.6"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Tiled(blob_model(), **options)


def test_bad_questions_are_refused():
    tiled = Tiled(blob_model(), 64)
    with pytest.raises(InputError, match="batch_size must be at least 1, got 0"):
        tiled.detect(paint((90, 90)), NAMES, batch_size=0)
    with pytest.raises(InputError, match=r"threshold must lie in \[0, 1\], got 2"):
        tiled.detect(paint((90, 90)), NAMES, threshold=2)
    with pytest.raises(InputError, match="image 1: "):
        tiled.detect([paint((90, 90)), np.zeros((3, 3, 9))], NAMES)
