from pathlib import Path

import pytest

from ovdet.engine import tracks
from ovdet.structures import InputError


@pytest.fixture
def rendered(monkeypatch):
    calls = []

    def write(name, folder):
        calls.append((name, folder))
        folder.mkdir()

    monkeypatch.setattr(tracks, "write_track", write)
    return calls


def test_a_missing_track_is_rendered_once(tmp_path, rendered):
    config = {"track": "stickers-ov", "data_root": str(tmp_path / "data" / "ov")}
    tracks.make_tracks(config)
    tracks.make_tracks(config)
    assert rendered == [("stickers-ov", tmp_path / "data" / "ov")]


def test_a_track_has_a_usual_place(tmp_path, rendered, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracks.make_tracks({"track": "stickers-ov"})
    assert rendered == [("stickers-ov", Path("data/stickers-ov"))]


def test_further_tracks_have_their_own_folders(tmp_path, rendered):
    more = {"stickers-labels": str(tmp_path / "labels"), "stickers-caps": str(tmp_path / "caps")}
    (tmp_path / "caps").mkdir()
    tracks.make_tracks(
        {"track": "stickers-ov", "data_root": str(tmp_path / "ov"), "more_tracks": more}
    )
    assert rendered == [("stickers-ov", tmp_path / "ov"), ("stickers-labels", tmp_path / "labels")]


def test_other_data_are_left_alone(tmp_path, rendered):
    tracks.make_tracks({"data_root": str(tmp_path / "coco")})
    assert rendered == []


def test_the_message_says_how_to_make_it(tmp_path):
    with pytest.raises(InputError, match=r"python tools/convert\.py no-such .*ov"):
        tracks.make_tracks({"track": "no-such", "data_root": str(tmp_path / "ov")})
