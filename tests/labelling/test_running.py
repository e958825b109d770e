import json

from quick_labels import Make, labelled, paint, task_of

from ovdet.labelling import begin, export, label
from ovdet.labelling.formats import writers


def test_files_and_figures(tmp_path):
    folder = paint(tmp_path / "in", 4)
    (folder / "z\tz.png").write_bytes(b"")
    report = export(labelled(tmp_path / "out", folder), writers(["coco", "coco"]))
    # red 0 to 3: so many objects each
    assert (report.done, report.objects, report.bad) == (4, 0 + 1 + 2 + 3, 1)
    out = tmp_path / "out"
    assert report.files == {"coco": out / "coco.json", "summary": out / "summary.html"}
    told = "z\\tz.png\tis empty, a picture was expected\n"
    assert (out / "bad.txt").read_text() == told


def test_bad_files_that_were_repaired_are_done_in_the_next_run(tmp_path):
    folder, out = paint(tmp_path / "in", 3), tmp_path / "out"
    whole = (folder / "001.png").read_bytes()
    (folder / "001.png").write_bytes(whole[:40])
    parts = labelled(out, folder)
    assert len(parts) == 2
    (folder / "001.png").write_bytes(whole)
    parts = label(parts.plan, Make())
    assert export(parts, writers(["coco"])).bad == 0
    images = json.loads((out / "coco.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["000.png", "001.png", "002.png"]
    assert (out / "bad.txt").read_bytes() == b""


def test_what_is_done_is_not_done_again(tmp_path):
    folder = paint(tmp_path / "in", 2)
    parts = labelled(tmp_path / "out", folder)
    again = label(begin(tmp_path / "out", task_of(folder), threads=1), None)  # asks for no model
    assert len(again) == len(parts) == 2
    assert len(again.plan.parts) == 1
