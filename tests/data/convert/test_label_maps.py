"""ADE20K, COCO-Stuff, Cityscapes, PASCAL Context: small folders of the true layout."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from ovdet.data import SemanticDataset
from ovdet.data.splits import vocabulary
from ovdet.structures import InputError, Vocabulary

VOID = 255


@pytest.fixture
def draw(source):
    """Save a map of one channel below the source."""

    def save(name, values, kind=np.uint8):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.array(values, kind)).save(path)

    return save


def values(path):
    return np.asarray(Image.open(path)).tolist()


def test_cityscapes_keeps_its_evaluated_labels(draw, run, source):
    folder = "gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png"
    draw(folder, [[7, 8, 0, 33], [29, 1, 24, 11]])
    out, written = run("cityscapes")
    path = out / "labels/val/ulm/ulm_000001_000019_leftImg8bit.png"
    assert values(path) == [[0, 1, VOID, 18], [VOID, VOID, 11, 2]]
    assert list(written) == ["labels/val/", "vocabulary.json"]
    assert str(written["labels/val/"]) == "1 maps"
    names = Vocabulary.load(out / "vocabulary.json").names
    assert [names[i] for i in (0, 1, 18, 11, 2)] == [
        "road", "sidewalk", "bicycle", "person", "building"
    ]  # fmt: skip
    draw("leftImg8bit/val/ulm/ulm_000001_000019_leftImg8bit.png", np.zeros((2, 4, 3)))
    places = (out / "labels/val", source / "leftImg8bit/val", out / "vocabulary.json")
    assert SemanticDataset(*map(str, places))[0].semantic[0].tolist() == [0, 1, -1, 18]


def test_cocostuff_closes_the_holes_of_the_ids(draw, run):
    draw("stuffthingmaps/val2017/000000000139.png", [[0, 255], [181, 91]])
    out, _ = run("cocostuff")
    labels = values(out / "labels/val2017/000000000139.png")
    classes = vocabulary("coco-stuff")
    ids = [classes.category_ids[labels[y][x]] for y, x in ((0, 0), (1, 0), (1, 1))]
    assert ids == [1, 182, 92]  # pixels are ids less one
    assert labels[0][1] == VOID
    assert labels[1][0] == 170
    assert sum(Vocabulary.load(out / "vocabulary_zs.json").novel) == 15


def test_cocostuff_refuses_an_id_that_never_occurs(draw, run):
    draw("val2017/000000000139.png", [[11]])  # one of the holes: street sign
    with pytest.raises(InputError, match=r"139\.png: holds the value 11, which is no class"):
        run("cocostuff")


def test_ade20k_of_150_ignores_0(draw, run):
    draw("ADEChallengeData2016/annotations/validation/ADE_val_00000001.png", [[0, 1, 150]])
    draw("ADEChallengeData2016/annotations/training/ADE_train_00000001.png", [[2]])
    out, written = run("ade20k")
    assert values(out / "labels_150/validation/ADE_val_00000001.png") == [[VOID, 0, 149]]
    assert "labels_150/training/" in written
    assert len(Vocabulary.load(out / "vocabulary_150.json")) == 150


def test_ade20k_of_847_has_16_bits(draw, run):
    folder = "ADE20K_2021_17_01/annotations_detectron2"
    draw(f"{folder}/validation/ADE_val_00000001.tif", [[0, 300, 846, 65_535]], np.uint16)
    draw(f"{folder}/training/ADE_train_00000001.tif", [[5]], np.uint16)
    out, _ = run("ade20k")
    path = out / "labels_847/validation/ADE_val_00000001.png"
    assert values(path) == [[0, 300, 846, 65_535]]
    Image.new("RGB", (4, 1)).save(path.with_suffix(".jpg"))
    dataset = SemanticDataset(str(path.parent), str(path.parent), str(out / "vocabulary_847.json"))
    assert dataset[0].semantic.tolist() == [[0, 300, 846, -1]]


def test_context_gives_both_of_its_vocabularies(source, put, run):
    every, few = vocabulary("context-459"), vocabulary("context-59")
    rare, common = every.ids[every.names.index("accordion")], every.ids[every.names.index("wood")]
    (source / "trainval").mkdir()
    labels = np.array([[rare, common, 459]], np.uint16)
    savemat(source / "trainval/2008_000002.mat", {"LabelMap": labels}, do_compression=True)
    put("ImageSets/Main/val.txt", "2008_000002\n")
    out, _ = run("context")
    wide = values(out / "labels_459/val/2008_000002.png")[0]
    assert [every.names[i] for i in wide[:2]] == ["accordion", "wood"]
    assert wide[2] == 458
    narrow = values(out / "labels_59/val/2008_000002.png")[0]
    assert narrow[0] == VOID
    assert few.names[narrow[1]] == "wood"


def test_context_names_what_it_cannot_read(source, put, run):
    put("ImageSets/Main/val.txt", "a\n")
    with pytest.raises(InputError, match=r"trainval/a\.mat: cannot be read as a MATLAB file"):
        run("context")
    put("trainval/a.mat", b"MATLAB 5.0" + bytes(200))
    with pytest.raises(InputError, match=r"trainval/a\.mat: "):
        run("context")
    savemat(source / "trainval/a.mat", {"Labels": np.zeros((2, 2))})
    with pytest.raises(InputError, match=r"a\.mat: must hold the matrix LabelMap"):
        run("context")


def test_a_check_compares_pixels_not_bytes(draw, run):
    draw("val2017/1.png", [[0, 1], [2, 255]])
    draw("val2017/2.png", [[3, 3]])
    out, written = run("cocostuff")
    stored = out / "labels/val2017/1.png"
    Image.open(stored).save(stored, compress_level=0)
    _, checked = run("cocostuff", check=True)
    assert checked == written
    image = Image.open(stored)
    image.putpixel((0, 0), 9)
    image.save(stored)
    with pytest.raises(InputError, match=r"val2017/1\.png: is not what this conversion writes"):
        run("cocostuff", check=True)
    run("cocostuff", force=True)
    stored.with_name("3.png").write_bytes(stored.read_bytes())
    with pytest.raises(InputError, match="must hold 2 maps, found 3"):
        run("cocostuff", check=True)


def test_the_sum_follows_names_sizes_and_pixels(draw, run):
    def total(**maps):
        for name, pixels in maps.items():
            draw(f"val2017/{name}.png", pixels)
        return run("cocostuff", force=True)[1]["labels/val2017/"].sha256

    first = total(a=[[0, 1, 2]], b=[[3]])
    assert total(a=[[0, 1, 2]], b=[[3]]) == first
    sums = {first, total(a=[[0], [1], [2]]), total(a=[[0, 1, 3]]), total(c=[[0]])}
    assert len(sums) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cityscapes", r"gtFine/train: must hold 2,975 .* as published, found 0"),
        ("cocostuff", r"train2017: must hold 118,287 maps .* as published, found 0"),
        ("ade20k", "must hold the folder ADEChallengeData2016 or ADE20K_2021_17_01"),
        ("context", "holds no ImageSets/Main/train.txt"),
        ("voc", "must hold the folder VOC2007 or VOC2012"),
        ("coco-captions", "holds no annotations/captions_train2017.json"),
        ("flickr30k-entities", "holds no train.txt, val.txt or test.txt"),
        ("refcoco", "holds none of refcoco"),
        ("odinw", "must hold the 13 sets of ODinW, lacks AerialMaritimeDrone, Aquarium"),
        ("odinw35", "must hold the 35 sets of ODinW, lacks AerialMaritimeDrone_large"),
        ("yolo", r"data\.yaml: cannot be read: No such file"),
        ("lvis-ov", "holds no lvis_v1_train.json"),
    ],
)
def test_an_empty_source_is_refused_even_in_part(run, source, tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        run(name)
    assert list(tmp_path.iterdir()) == [source]


def test_a_part_is_refused_unless_told(draw, run):
    draw("val2017/1.png", [[0]])
    draw("train2017/1.png", [[0]])
    with pytest.raises(InputError, match=r"must hold 118,287 maps .*, found 1; --partial"):
        run("cocostuff", partial=False)


def test_the_59_are_those_that_others_pick():
    # open-mmlab/mmsegmentation, tools/dataset_converters/pascal_context.py: ids in the 459
    ids = (
        2, 259, 260, 415, 324, 9, 258, 144, 18, 19, 22, 23, 397, 25, 284, 158, 159, 416, 33, 162,
        420, 454, 295, 296, 427, 44, 45, 46, 308, 59, 440, 445, 31, 232, 65, 354, 424, 68, 326, 72,
        458, 34, 207, 80, 355, 85, 347, 220, 349, 360, 98, 187, 104, 105, 366, 189, 368, 113, 115,
    )  # fmt: skip
    every, few = vocabulary("context-459"), vocabulary("context-59")
    assert [every.names[i - 1] for i in sorted(ids)] == list(few.names)
