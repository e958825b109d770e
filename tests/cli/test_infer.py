import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from blobs import blob_model
from blobs import paint as blob_picture
from colours import AREAS, CONFIG, NAMES, STEP, ColourSegmentor, flag
from PIL import Image
from safetensors.torch import save_file

import ovdet.apis
from ovdet.apis import Result
from ovdet.apis.grounding import read_sentence
from ovdet.cli import main
from ovdet.data.panoptic import PanopticDataset
from ovdet.data.semantic import SemanticDataset
from ovdet.structures import InputError, Vocabulary

ROOT = Path(__file__).parents[2]


class FakeModel:
    """Finds one box in each picture, of the first class."""

    task = "detect"
    finds = True

    def detect(self, image, classes, *, threshold=None, top_k=100):
        self.asked = (threshold, top_k)
        height, width = image.shape[:2]
        count = int(self.finds)
        return Result(
            boxes=np.array([[1, 1, width - 1, height - 1]] * count, np.float32).reshape(-1, 4),
            scores=np.array([0.75] * count, np.float32),
            class_ids=np.array([0] * count, np.int64),
            vocabulary=classes,
            image=image,
        )

    def ground(self, image, text, *, threshold=None, top_k=100):
        self.text = text
        return self.detect(image, read_sentence(text).vocabulary, threshold=threshold, top_k=top_k)


@pytest.fixture
def fake(monkeypatch):
    model = FakeModel()
    model.loads = []

    def load(name, **options):
        model.loads.append((name, options))
        return model

    monkeypatch.setattr(ovdet.apis, "load", load)
    return model


@pytest.fixture
def infer(fake, tmp_path, monkeypatch):  # noqa: ARG001 - the command finds the fake in its place
    monkeypatch.chdir(tmp_path)
    return lambda words: main(["infer", *words])


def paint(path, size=(20, 10), colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def detections(path="out/detections.json"):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_one_picture(infer, fake, capsys):
    paint(Path("photo.jpg"))
    assert infer(["photo.jpg", "--classes", "red car", "日本"]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["detections.json", "photo.jpg"]
    with Image.open("out/photo.jpg") as image:
        assert image.size == (640, 320)
    file = detections()
    assert file["images"] == [{"id": 1, "file_name": "photo.jpg", "width": 20, "height": 10}]
    assert [c["name"] for c in file["categories"]] == ["red car", "日本"]
    assert file["annotations"][0]["bbox"] == [1, 1, 18, 8]
    out, err = capsys.readouterr()
    assert "red car   0.75" in out
    assert "photo.jpg -> out/photo.jpg" in out
    assert err == ""
    assert fake.loads == [(None, {"checkpoint": None, "device": "auto", "offline": False})]


def test_options_reach_the_model(infer, fake):
    paint(Path("a.png"))
    command = (
        "a.png --classes x --model c.py --checkpoint w.pth --threshold 0.1 --top-k 3 --offline"
    )
    assert infer([*command.split(), "--device", "cpu", "--out", "o", "--json", "j/d.json"]) == 0
    assert fake.loads == [("c.py", {"checkpoint": "w.pth", "device": "cpu", "offline": True})]
    assert fake.asked == (0.1, 3)
    assert len(detections("j/d.json")["annotations"]) == 1
    assert [path.name for path in Path("o").iterdir()] == ["a.png"]


def test_prompts_and_everything(infer, fake, capsys):
    paint(Path("a.png"))
    asked = []

    def detect(image, classes, **_):
        asked.append(classes)
        return FakeModel.detect(fake, image, classes.vocabulary)

    fake.detect = detect
    Path("p.yml").write_text("prompts: [{label: dog, synonyms: [hound]}]")
    assert infer(["a.png", "--prompts", "p.yml"]) == 0
    assert asked[0].prompts[0].words == ("dog", "hound")
    fake.discover = lambda image, **_: FakeModel.detect(fake, image, Vocabulary.of(["thing"]))
    assert infer(["a.png", "--everything"]) == 0
    assert "thing   0.75" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompts", "p.yml", "--classes", "cat"], "--prompts and --everything come alone"),
        (["--everything", "--text", "a dog"], "--prompts and --everything come alone"),
        (["--everything", "--prompts", "p.yml"], "--prompts and --everything come alone"),
        (["--everything", "--task", "semantic"], "--everything is for the task detect"),
        (["--prompts", "none.yml"], "none.yml: cannot be read"),
    ],
)
def test_prompts_that_cannot_be_are_one_line(infer, capsys, arguments, message):
    paint(Path("a.png"))
    assert infer(["a.png", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_table_goes_with_the_names(infer, fake, capsys):
    paint(Path("a.png"))
    np.save("t.npy", np.eye(2, 4))
    asked = []
    fake.detect = lambda image, classes, **_: (
        asked.append(classes) or FakeModel.detect(fake, image, classes)
    )
    assert infer(["a.png", "--classes", "cat", "dog", "--table", "t.npy"]) == 0
    assert asked[0].names == ("cat", "dog")
    assert asked[0].table.vectors.tolist() == np.eye(2, 4).tolist()
    capsys.readouterr()
    assert infer(["a.png", "--classes", "cat", "--table", "t.npy"]) == 2
    told = "ovdet infer: t.npy: a table for 1 names must be [1, D], got [2, 4]\n"
    assert capsys.readouterr().err == told
    assert infer(["a.png", "--text", "a [cat]", "--table", "t.npy"]) == 2


@pytest.fixture
def segment(tmp_path, monkeypatch):
    """Return a function that runs the command with a segmentor on ``in/flag.png``."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Image.fromarray(flag()[0]).save("in/flag.png")
    save_file(ColourSegmentor().state_dict(), "colours.safetensors")

    def segment(*arguments, made_for="semantic", classes=NAMES):
        Path("colours.py").write_text(CONFIG.format(task=made_for))
        model = ["--model", "colours.py", "--checkpoint", "colours.safetensors", "--device", "cpu"]
        return main(["infer", "in/flag.png", *model, "--classes", *classes, *arguments])

    return segment


@pytest.mark.parametrize("arguments", [[], ["--task", "semantic"]])
def test_semantic(segment, capsys, arguments):
    assert segment(*arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "in/flag.png -> out/flag.png, out/labels/flag.png" in out
    assert " red    44 %       105" in out
    assert "1 of 1 pictures -> out/labels.json" in out
    data = SemanticDataset("out/labels", "in", "out/labels.json")
    assert (data.labels(0) == flag()[1]).all()
    assert data.vocabulary.names == NAMES
    with Image.open("out/flag.png") as image:
        assert image.size[0] == 640


@pytest.mark.parametrize("options", [{"made_for": "panoptic"}, {}])
def test_panoptic(segment, capsys, options):
    assert segment(*([] if options else ["--task", "panoptic"]), **options) == 0
    assert "out/flag.png, out/panoptic/flag.png" in capsys.readouterr().out
    data = PanopticDataset("out/panoptic.json", "out/panoptic", ".")
    assert (data.ids(0) == np.where(flag()[1] < 0, 0, 1 + STEP * flag()[1])).all()
    assert data.segments.areas.tolist() == list(AREAS[:3])


def test_instance(segment):
    assert segment("--task", "instance", "--threshold", "0.5") == 0
    (found,) = detections()["annotations"]
    assert (found["area"], found["bbox"]) == (AREAS[0], [0, 0, 20, 6])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "detect"], "colours is a segmentor: ask it with segment()"),
        (["--threshold", "0.5"], "threshold and top_k are of the task instance"),
        (["--json", "labels"], "labels: must end with .json"),
        (["--text", "a dog"], "the task ground wants --text"),
        (["--task", "ground"], "the task ground wants --text"),
    ],
)
def test_a_segmentor_says_what_it_cannot(segment, capsys, arguments, message):
    assert segment(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not Path("out").exists()


def test_more_names_than_a_byte_counts(segment):
    assert segment(classes=[f"name {i}" for i in range(300)] + ["red"]) == 0
    labels = SemanticDataset("out/labels", "in", "out/labels.json").labels(0)
    assert (labels == np.where(flag()[1] == 0, 300, -1)).all()


@pytest.mark.parametrize("task", [[], ["--task", "ground"]])
def test_ground(infer, fake, capsys, task):
    paint(Path("a.png"))
    text = "[a dog] left of [the red car]"
    assert infer(["a.png", "--text", text, "--threshold", "0.1", *task]) == 0
    assert fake.text == text
    assert fake.asked == (0.1, 100)
    assert "a dog   0.75      1      1     19      9" in capsys.readouterr().out
    assert [c["name"] for c in detections()["categories"]] == ["a dog", "the red car"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "[a dog"], "brackets must come in pairs"),
        (["--text", " "], "the text must be a sentence"),
        (["--text", "a dog", "--task", "detect"], "--text is for the task ground, detect wants"),
    ],
)
def test_a_bad_sentence_is_one_line(infer, fake, capsys, arguments, message):
    paint(Path("a.png"))
    assert infer(["a.png", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert fake.loads == []


def test_same_names_do_not_overwrite_each_other(infer):
    for name in ("x/a.png", "y/a.png", "y/a.bmp"):
        paint(Path(name))
    assert infer(["x", "y/*", "--classes", "cat"]) == 0
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["a.bmp", "a.png", "a_2.png", "detections.json"]
    assert [image["file_name"] for image in detections()["images"]] == [
        "x/a.png",
        "y/a.bmp",
        "y/a.png",
    ]


def test_the_input_survives_when_out_is_its_own_folder(infer):
    before = paint(Path("a.png")).read_bytes()
    assert infer(["a.png", "--classes", "cat", "--out", "."]) == 0
    assert Path("a.png").read_bytes() == before
    assert Path("a_2.png").is_file()


def test_a_folder_with_bad_files_is_done_and_they_are_listed(infer, capsys):
    for name in ("1.png", "3.png"):
        paint(Path("in") / name)
    Path("in/2.png").write_bytes(b"")
    Path("in/4.jpg").write_bytes(b"no picture")
    assert infer(["in", "--classes", "cat"]) == 1
    out, err = capsys.readouterr()
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["in/2.png", "in/4.jpg"]
    assert "2 of 4 pictures" in out
    assert [image["file_name"] for image in detections()["images"]] == ["in/1.png", "in/3.png"]


def test_many_pictures_have_a_line_each(infer, capsys):
    for index in range(11):
        paint(Path(f"in/{index:02}.png"))
    assert infer(["in", "--classes", "x"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[3].split() == ["in/03.png", "->", "out/03.png", "1", "found"]


@pytest.mark.parametrize("asked", [[], ["--threshold", "0.3"]])
def test_nothing_found_says_what_to_do_once(infer, fake, capsys, asked):
    paint(Path("a.png"))
    fake.finds = False
    assert infer(["a.png", "--classes", "x", *asked]) == 0
    told = capsys.readouterr().out
    assert "nothing found" in told
    assert ("a lower --threshold shows" in told) == (not asked)


def test_a_missing_picture_among_others_is_listed(infer, capsys):
    paint(Path("a.png"))
    assert infer(["a.png", "none.png", "--classes", "cat"]) == 1
    assert "none.png: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png", "--classes", "cat"], "none.png: cannot be read: No such file"),
        (["empty.png", "--classes", "cat"], "empty.png: is empty"),
        (["cut.png", "--classes", "cat"], "cut.png: is "),
        (["text.png", "--classes", "cat"], "text.png: is not a picture"),
        (["cut.tif", "--classes", "cat"], "cut.tif: is"),
        (["empty.png", "text.png", "--classes", "cat"], "empty.png: is empty"),
        (["hollow", "--classes", "cat"], "hollow: no pictures there"),
        (["*.webp", "--classes", "cat"], "no pictures there"),
        (["a.png"], "give the classes"),
        (["a.png", "--classes", "a", "--classes-file", "b"], "give the classes"),
        (["a.png", "--classes", "cat", "cat"], "'cat' twice"),
        (["a.png", "--classes", "@lvis"], "unknown vocabulary 'lvis'; did you mean 'lvis-v1'?"),
        (["a.png", "--classes", " "], "must not be blank"),
        (["a.png", "--classes-file", "latin.txt"], "latin.txt: must be UTF-8"),
        (["a.png", "--classes-file", "empty.png"], "at least one class name"),
        (["a.png", "--classes-file", "none.txt"], "none.txt: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(infer, capsys, arguments, message):
    whole = paint(Path("a.png")).read_bytes()
    deep = paint(Path("b.tif")).read_bytes()
    Path("empty.png").write_bytes(b"")
    Path("cut.png").write_bytes(whole[:-40])
    Path("cut.tif").write_bytes(deep[:60])
    Path("text.png").write_bytes(b"hello")
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("hollow").mkdir()
    before = sorted(Path().rglob("*"))
    assert infer(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("ovdet infer: ")
    assert len(err.splitlines()) == 1 + ("text.png" in arguments[1:])
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--classes", "cat", "--threshold", "2"],
        ["a.png", "--classes", "cat", "--threshold", "x"],
        ["a.png", "--classes", "cat", "--top-k", "0"],
        ["a.png", "--classes", "cat", "--tresh", "0.5"],
        ["a.png", "--classes"],
    ],
)
def test_a_wrong_option_is_one_line(infer, capsys, arguments):
    with pytest.raises(SystemExit) as left:
        infer(arguments)
    assert left.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("error", [InputError("rule:\nvalue"), OSError(28, "No space left")])
def test_what_the_model_or_the_disk_refuses_is_one_line(infer, fake, capsys, error):
    def fail(*_args, **_options):
        raise error

    paint(Path("a.png"))
    fake.detect = fail
    assert infer(["a.png", "--classes", "cat"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not Path("out").exists()


def test_out_that_is_a_file(infer, capsys):
    paint(Path("a.png"))
    Path("out").write_bytes(b"mine")
    assert infer(["a.png", "--classes", "cat"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert Path("out").read_bytes() == b"mine"


def test_a_terminal_that_lacks_the_letters(infer, monkeypatch):
    paint(Path("a.png"))
    memory = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(memory, encoding="ascii"))
    assert infer(["a.png", "--classes", "日本"]) == 0
    sys.stdout.flush()
    assert b"\\u65e5\\u672c" in memory.getvalue()
    assert detections()["categories"][0]["name"] == "日本"


def test_interruption_ends_quietly(infer, fake, capsys):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    paint(Path("a.png"))
    fake.detect = stop
    assert infer(["a.png", "--classes", "cat"]) == 130
    assert capsys.readouterr().err == "ovdet infer: stopped\n"


def test_decoders_that_write_by_themselves_are_quiet(tmp_path):
    """Libtiff writes its warnings to the error stream behind Python's back."""
    image = Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(20, 20, 3))
    path = tmp_path / "b.tif"
    image.save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[8:200] = bytes(192)
    path.write_bytes(data)
    command = [sys.executable, "-m", "ovdet", "infer", str(path), "--classes", "cat"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_tiles(infer, monkeypatch, capsys):
    monkeypatch.setattr(ovdet.apis, "load", lambda _name, **_options: blob_model())
    blobs = [(x, 50, x + 12, 62, 0) for x in range(10, 280, 31)]
    Image.fromarray(blob_picture((120, 300), *blobs)).save("wide.png")
    assert infer(["wide.png", "--classes", "red", "--tile", "96"]) == 0
    boxes = sorted(found["bbox"] for found in detections()["annotations"])
    assert boxes == [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2, _ in blobs]
    capsys.readouterr()
    assert infer(["wide.png", "--classes", "red", "--tile", "8"]) == 2
    assert "side of a tile must be at least 32 px, got 8" in capsys.readouterr().err
    assert infer(["wide.png", "--text", "[red]", "--tile", "96"]) == 2
    assert "--tile is for classes" in capsys.readouterr().err
