import json
import sys

import pytest
from PIL import Image
from quick_labels import paint

from ovdet import cli
from ovdet.cli.label import FORMATS
from ovdet.labelling import formats


def run(*words):
    return cli.run("label", [str(word) for word in words], "ovdet label")


def test_the_formats_are_those_that_can_be_written():
    assert set(FORMATS) == set(formats.FORMATS)


def refused(capsys, *words):
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith("ovdet label: ")
    assert said.count("\n") == 1
    return said


def test_what_is_missing_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = paint(tmp_path / "in", 1)
    (tmp_path / "none").mkdir()
    assert "give the classes" in refused(capsys, folder)
    assert "photoz: no such file" in refused(capsys, "photoz", "--classes", "cat")
    assert "none: no pictures there" in refused(capsys, "none", "--classes", "cat")
    assert "name a folder of pictures" in refused(capsys, "--classes", "cat")
    assert "lost.txt" in refused(capsys, "--list", "lost.txt", "--classes", "cat")
    weights = ["--model", "c.py", "--checkpoint", "lost.pth"]
    assert "lost.pth" in refused(capsys, folder, "--classes", "cat", *weights)
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize(
    "words", [["--threshold", "2"], ["--workers", "0"], ["--format", "csv"], ["--top-k", "x"]]
)
def test_wrong_options_are_one_line(words, capsys):
    with pytest.raises(SystemExit) as end:
        run("in", "--classes", "cat", *words)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_with_the_model_that_comes_along(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = paint(tmp_path / "in", 2, size=(64, 48))
    (tmp_path / "more.txt").write_text("far.png\n\nlost.png\n")
    Image.new("RGB", (40, 30)).save("far.png")
    words = [folder, "--list", "more.txt", "--classes", "cat", "red car", "--threshold", "0"]
    assert run(*words, "--top-k", "3", "--format", "coco", "yolo") == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "4 pictures, 2 classes, ovdet-tiny, workers: 1 here -> labels"
    assert "3 pictures labelled, " in out[1]
    assert out[1].endswith(" objects, 1 bad: labels/bad.txt")
    assert out[2:] == [
        "coco -> labels/coco.json",
        "yolo -> labels/yolo/data.yaml",
        "summary -> labels/summary.html",
    ]
    file = json.loads((tmp_path / "labels" / "coco.json").read_text())
    names = [image["file_name"] for image in file["images"]]
    assert names == ["far.png", "in/000.png", "in/001.png"]
    assert {category["name"] for category in file["categories"]} == {"cat", "red car"}
    assert refused(capsys, folder, "--classes", "cat", "red car").count("--restart") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a file may not be removed while it is open")
def test_what_was_written_into_the_folder_is_not_labelled(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = paint(tmp_path / "in", 1)
    paint(folder / "out" / "yolo" / "images", 1)
    said = refused(capsys, f"{folder}/out/**/*.png", "--classes", "cat", "--out", folder / "out")
    assert "out: all pictures lie in it, name another folder" in said
