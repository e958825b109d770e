import pytest
from PIL import Image

from ovdet.cli import main
from ovdet.cli.convert import CONVERSIONS as OFFERED
from ovdet.cli.convert import TRACKS as RENDERED
from ovdet.data.convert import CONVERSIONS
from ovdet.data.stickers.sprites import find_font
from ovdet.data.stickers.tracks import TRACKS
from ovdet.structures import InputError


def convert(*words):
    return main(["convert", *words])


def test_every_track_and_conversion_is_offered():
    assert {*RENDERED} == {*TRACKS}
    assert {*OFFERED} == {*CONVERSIONS}


def test_writes_and_prints_hashes(capsys, tmp_path):
    try:
        find_font()
    except InputError as error:
        pytest.skip(str(error))
    out = tmp_path / "ov"
    assert convert("stickers-ov", str(out), "--train", "2", "--val", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("/")[-1] for line in lines] == [
        "train_all.json", "train_base.json", "val.json", "vocabulary.json"
    ]  # fmt: skip
    assert all(len(line.split()[0]) == 64 for line in lines)
    assert convert("stickers-ov", str(out), "--train", "2") == 2
    assert convert("stickers-ov", str(out), "--train", "1", "--val", "1", "--force") == 0


def test_bad_input_is_one_line_and_status_2(capsys, tmp_path, monkeypatch):
    assert convert("stickers-ov", str(tmp_path / "a"), "--train", "0") == 2
    monkeypatch.setenv("OVDET_STICKER_FONT", "nowhere.ttf")
    assert convert("stickers-ov", str(tmp_path / "b")) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors == [
        "ovdet convert: train must be at least 1 image, got 0",
        "ovdet convert: OVDET_STICKER_FONT must name the file NotoColorEmoji.ttf, "
        "got 'nowhere.ttf'",
    ]
    assert not list(tmp_path.iterdir())


def test_converts_and_checks(capsys, tmp_path):
    source, out = tmp_path / "city", tmp_path / "out"
    path = source / "gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png"
    path.parent.mkdir(parents=True)
    Image.new("L", (2, 2), 7).save(path)
    words = ["cityscapes", str(source), str(out), "--partial"]
    assert convert(*words, "--check") == 0
    assert not out.exists()
    assert convert(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == lines[2:]
    assert [line.split("  ")[1:] for line in lines[2:]] == [
        [f"{out}/labels/val/", "1 maps"], [f"{out}/vocabulary.json", "19 classes"]
    ]  # fmt: skip
    assert convert(*words) == 2
    assert convert(*words, "--force") == 0
    assert convert(*words, "--check") == 0


def test_a_conversion_that_fails_is_one_line_and_status_2(capsys, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/mine.txt").write_text("not yours")
    calls = [
        ["voc", str(tmp_path / "none"), str(tmp_path / "out")],
        ["voc", str(tmp_path), str(tmp_path / "out")],
        ["voc", str(tmp_path), str(tmp_path / "work"), "--force"],
    ]
    assert [convert(*call) for call in calls] == [2, 2, 2]
    assert capsys.readouterr().err.splitlines() == [
        f"ovdet convert: {tmp_path}/none: there is no such folder",
        f"ovdet convert: {tmp_path}: must hold the folder VOC2007 or VOC2012",
        f"ovdet convert: {tmp_path}/work holds no conversion (no file conversion.sha256), so it is "
        "not replaced",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
