import json
from pathlib import Path

import pytest
from blobs import NAMES, blob_model
from clips import moving, write_clip

import ovdet.apis
from ovdet.cli import main


@pytest.fixture
def video(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_clip("clip.mp4", moving())
    asked = []

    def load(name, **options):
        asked.append((name, options))
        return blob_model()

    monkeypatch.setattr(ovdet.apis, "load", load)

    def run(*words):
        return main(["video", *words])

    run.asked = asked
    return run


def lines(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_a_clip(video, capsys):
    assert video("clip.mp4", "--classes", *NAMES) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[:2] == ["clip.mp4 -> out/clip.mp4, out/clip.jsonl", "12 frames"]
    assert out.splitlines()[-1].split() == ["red", "2", "24"]
    assert {row["label"] for row in lines("out/clip.jsonl")} == {"red", "a green  thing"}
    assert {row["id"] for row in lines("out/clip.jsonl")} == {None, 1, 2, 3}
    options = {"checkpoint": None, "device": "auto", "offline": False}
    assert video.asked == [(None, options)]


def test_options(video, capsys):
    words = "--tile 96 --every 3 --threshold 0.5 --model m --checkpoint w --device cpu --offline"
    assert video("clip.mp4", "--classes", "red", *words.split(), "--out", ".") == 0
    assert "clip.mp4 -> clip_2.mp4, clip_2.jsonl\n4 frames" in capsys.readouterr().out
    assert {row["frame"] for row in lines("clip_2.jsonl")} == {0, 3, 6, 9}
    options = {"checkpoint": "w", "device": "cpu", "offline": True}
    assert video.asked == [("m", options)]


def test_bad_frames_are_told(video, capsys):
    whole = write_clip("whole.avi", moving(), codec="MJPG").read_bytes()
    Path("cut.avi").write_bytes(whole[: len(whole) // 2])
    assert video("cut.avi", "--classes", "red") == 0
    out, err = capsys.readouterr()
    assert err == f"video: {12 - len(lines('out/cut.jsonl')) // 2} frames could not be read\n"
    assert "cut.avi -> out/cut.mp4, out/cut.jsonl" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.mp4", "--classes", "red"], "none.mp4: cannot be read: No such file"),
        (["text.mp4", "--classes", "red"], "text.mp4: is not a video"),
        (["clip.mp4"], "give the classes"),
        (["clip.mp4", "--classes", "red", "red"], "'red' twice"),
        (["clip.mp4", "--classes", "red", "--tile", "8"], "at least 32 px, got 8"),
        (["clip.mp4", "--classes", "red", "--out", "text.mp4"], "text.mp4"),
    ],
)
def test_bad_input_is_one_line(video, capfd, words, message):
    Path("text.mp4").write_text("hello")
    assert video(*words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "words",
    [[], ["a.mp4", "--classes", "a", "--threshold", "0"], ["a.mp4", "--every", "0"]],
)
def test_a_wrong_option_is_one_line(video, capsys, words):
    with pytest.raises(SystemExit) as left:
        video(*words)
    assert left.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
