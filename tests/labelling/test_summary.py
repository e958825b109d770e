import base64
import io
import re

import numpy as np
from PIL import Image
from quick_labels import paint, store, task_of

from ovdet.apis.draw import class_colour
from ovdet.labelling.summary import write_summary


def record(index, *scores):
    objects = [{"category_id": 2, "bbox": [6, 4, 12, 8], "score": score} for score in scores]
    return {"index": index, "size": [16, 24], "objects": objects}


def page(tmp_path, *records, count=3):
    parts = store(tmp_path / "out", task_of(paint(tmp_path / "in<b>", count)), records)
    assert write_summary(parts, tmp_path / "page.html") == sum(
        len(one.get("objects", ())) for one in records
    )
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_it_has_counts_histograms_pictures_and_bad_files(tmp_path):
    text = page(tmp_path, record(0, 0.9, 0.31), record(1), {"index": 2, "bad": "is <empty>"})
    tiles = dict(re.findall(r"<div><b>([\d,]+)</b>([^<]+)</div>", text))
    assert tiles == {"2": "objects", "1": "files that are bad"} | tiles
    assert re.search(r"red car<td class=\"n\">2<.*<td class=\"n\">1<td class=\"n\">0.60<", text)
    assert "<title>0.90 to 0.95: 1</title>" in text
    assert "<title>0.30 to 0.35: 1</title>" in text
    assert "<b>002.png</b> is &lt;empty&gt;" in text
    assert "in&lt;b&gt;" in text
    assert "2 pictures, drawn evenly" in text
    assert text.count("<figure>") == 2  # one of them shows that nothing was found


def test_it_needs_no_other_file_and_boxes_are_where_they_belong(tmp_path):
    text = page(tmp_path, record(0, 0.9))
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)
    assert picture.shape[:2] == (240, 360)
    # of 24 px to 360 px: factor 15; the left edge stands at x = 90, the middle is bare
    away = np.abs(picture[120] - class_colour("red car")).sum(axis=1)
    assert away[85:95].min() < 120  # JPEG halves the resolution of colours
    assert away[100:250].min() > 240
    assert np.abs(picture[120, 180] - np.array([0, 0, 0])).sum() < 30


def test_without_results_it_is_still_a_page(tmp_path):
    text = page(tmp_path, count=1)
    assert text.endswith("</body></html>\n")
    assert "drawn evenly" not in text


def test_a_picture_that_is_gone_is_left_out(tmp_path):
    folder = paint(tmp_path / "in", 2)
    parts = store(tmp_path / "out", task_of(folder), [record(0, 0.9), record(1, 0.9)])
    (folder / "000.png").unlink()
    write_summary(parts, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<figure>") == 1
