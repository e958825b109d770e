from quick_labels import paint, store, task_of

from ovdet.data.convert.voc import box_of, image_of, read_xml
from ovdet.labelling.formats.voc import write_voc


def test_our_own_reader_gives_back_what_was_found(tmp_path):
    boxes = [[0, 0, 24, 16], [5.4, 3.6, 4.2, 2.1], [23.9, 15.9, 0.05, 0.05]]
    objects = [
        {"category_id": place + 1, "bbox": box, "score": 0.5} for place, box in enumerate(boxes)
    ]
    record = {"index": 0, "size": [16, 24], "objects": objects}
    path = write_voc(store(tmp_path / "out", task_of(paint(tmp_path / "in", 1)), [record]))
    root = read_xml(path / "Annotations" / "000.xml")
    assert image_of(root, 1, "x")["height"] == 16
    assert image_of(root, 1, "x")["width"] == 24
    assert root.findtext("filename") == "000.png"
    items = list(root.iter("object"))
    assert [item.findtext("name") for item in items] == ["cat", "red car", "日本"]
    # 5.4 to 9.6 rounds to 5 to 10, 3.6 to 5.7 to 4 to 6; the last is one pixel at least
    expected = [[0, 0, 24, 16], [5, 4, 5, 2], [23, 15, 1, 1]]
    assert [box_of(item, "x")["bbox"] for item in items] == expected
    assert (path / "ImageSets" / "Main" / "train.txt").read_text() == "000\n"
    assert (path / "JPEGImages" / "000.png").resolve() == tmp_path / "in" / "000.png"
