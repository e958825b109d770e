import json

import pytest
from PIL import Image
from pycocotools.coco import COCO

from ovdet.data.stickers import tracks
from ovdet.data.stickers.names import HELD_OUT
from ovdet.data.stickers.tracks import TRACKS, Track, write_track
from ovdet.structures import InputError, Vocabulary

# of the annotation files; they change with SceneSpec's numbers and with nothing else
HASHES = {
    "train_all": "cd7d320b26b8cdc57ce0ac3388cc5a87a8193290463dbc342539ff23048d2f92",
    "train_base": "fbb639493e5dc93d5131b4c284614237bdeb9cd3325d35a961226e7dd62e2edc",
    "val": "d8a313eddbe3ffb9dcdffddd1d76ce874796c6fba161a4b3b3ce4a90fb36f118",
    "vocabulary": "36e877993986e84924b89688b03ab153843f3c8a2513ae739fa264f93091ac62",
}


@pytest.mark.usefixtures("font")
def test_small_track_is_the_same_bytes_everywhere(tmp_path):
    hashes = write_track("stickers-ov", tmp_path / "ov", seed=0, train=6, val=3)
    assert hashes == {f"annotations/{name}.json": digest for name, digest in HASHES.items()}


@pytest.mark.usefixtures("font")
def test_ov_track_hides_novel_boxes_in_training_and_keeps_their_images(tmp_path, capsys):
    out = tmp_path / "ov"
    write_track("stickers-ov", out, seed=1, train=8, val=4)
    base, whole, val = (
        COCO(out / "annotations" / f"{name}.json") for name in ("train_base", "train_all", "val")
    )
    capsys.readouterr()
    novel = {item["id"] for item in whole.dataset["categories"] if item["novel"]}
    assert len(base.imgs) == len(whole.imgs) == 8
    assert len(val.imgs) == 4
    kept = {i for i, item in whole.anns.items() if item["category_id"] not in novel}
    assert set(base.anns) == kept < set(whole.anns)
    for image in val.loadImgs(val.getImgIds()):
        with Image.open(out / "val" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"]) == (128, 128)
    vocabulary = Vocabulary.load(out / "annotations" / "vocabulary.json")
    assert vocabulary.ids == tuple(item["id"] for item in val.dataset["categories"])
    assert not (tmp_path / "ov.partial").exists()


@pytest.mark.usefixtures("font")
def test_caption_track(tmp_path):
    hashes = write_track("stickers-caps", tmp_path / "caps", train=12, val=3)
    assert sorted(hashes) == ["annotations/train.json", "annotations/val.json"]
    records = json.loads((tmp_path / "caps" / "annotations" / "train.json").read_text("utf-8"))
    assert len(records) == len(list((tmp_path / "caps" / "train").glob("*.png"))) == 12
    assert not {thing["name"] for record in records for thing in record["objects"]} & set(HELD_OUT)


def test_refusals(tmp_path):
    with pytest.raises(InputError, match=r"track must be one of stickers-ov, .*, got 'x'"):
        write_track("x", tmp_path)
    with pytest.raises(InputError, match="train must be at least 1 image, got 0"):
        write_track("stickers-ov", tmp_path, train=0)
    with pytest.raises(InputError, match="seed must be 0 or more, got -2"):
        write_track("stickers-ov", tmp_path, seed=-2)


def test_a_folder_with_something_in_it_stays(tmp_path):
    (tmp_path / "work.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        write_track("stickers-ov", tmp_path)
    with pytest.raises(InputError, match="holds no track"):
        write_track("stickers-ov", tmp_path, force=True)
    with pytest.raises(InputError, match="it is a file"):
        write_track("stickers-ov", tmp_path / "work.txt")
    assert (tmp_path / "work.txt").read_text() == "mine"


@pytest.mark.usefixtures("font")
def test_a_failure_midway_leaves_the_old_track(tmp_path, monkeypatch):
    out = tmp_path / "ov"
    (out / "annotations").mkdir(parents=True)
    (out / "annotations" / "val.json").write_text("old")

    def fail(folder, _seed, _images):
        (folder / "half").write_text("half")
        raise OSError("disk full")

    monkeypatch.setitem(tracks.TRACKS, "stickers-ov", Track(fail, TRACKS["stickers-ov"].images))
    with pytest.raises(OSError, match="disk full"):
        write_track("stickers-ov", out, force=True)
    assert (out / "annotations" / "val.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["ov"]
