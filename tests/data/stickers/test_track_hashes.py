import pytest
from PIL import Image
from track_hashes import SMALL, stored

from ovdet.data.stickers.tracks import TRACKS, hash_annotations


@pytest.mark.parametrize("track", SMALL)
def test_a_small_track_is_the_same_bytes_everywhere(small_track, track):
    assert hash_annotations(small_track(track)) == stored()[track]


def test_pixels_count_and_the_compressor_does_not(tmp_path):
    folder = tmp_path / "annotations" / "labels_val"
    folder.mkdir(parents=True)
    picture = Image.new("L", (9, 5), 7)
    sums = []
    for level, value in ((0, 7), (9, 7), (9, 8)):
        picture.putpixel((2, 3), value)
        picture.save(folder / "a.png", compress_level=level)
        sums.append(hash_annotations(tmp_path)["annotations/labels_val"])
    assert sums[0] == sums[1] != sums[2]


def test_every_track_is_held_to_hashes():
    assert set(stored()) == set(SMALL) == set(TRACKS) - {"stickers-ov", "stickers-caps"}
