"""The official example results get their published digits through `ovdet evaluate`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ovdet import cli
from ovdet.cli import evaluate as evaluating
from ovdet.evaluation import as_results
from ovdet.evaluation.protocols import ask
from ovdet.structures import InputError

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SHORT = {"_small": "s", "_medium": "m", "_large": "l"}
RARITY = {"APr": "rare/AP", "APc": "common/AP", "APf": "frequent/AP"}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no example results at {DATA}")


@pytest.fixture
def evaluate(capsys):
    """Return the exact figures and the line that is printed first."""

    def run(*words):
        words = [str(word) for word in words]
        assert cli.main(["evaluate", *words]) == 0
        options = cli.parser_of(evaluating, "evaluate").parse_args(words)
        question = replace(evaluating.read_question(options), classes=True)
        figures = ask(options.protocol, question).figures
        return figures, capsys.readouterr().out.splitlines()[0]

    return run


def read(path):
    return json.loads(path.read_text())


def brief(name):
    for long, short in SHORT.items():
        name = name.replace(long, short)
    return name.replace("@300", "")


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_coco(evaluate, kind):
    folder = DATA / "eval" / "coco_val2014_100"
    results = folder / f"{kind}_results.json"
    words = ["--protocol", "coco", "--iou-type", kind]
    figures, headline = evaluate(folder / "instances_gt.json", results, *words)
    expected = read(folder / "expected.json")[kind]
    assert len(expected["summary"]) == 12
    for name, value in expected["summary"].items():
        assert f"{figures['all/' + brief(name)]:.6f}" == f"{value:.6f}", name
    for name, value in expected["per_category_AP"].items():
        assert f"{figures['AP/' + name]:.6f}" == f"{value:.6f}", name
    published = {"bbox": (0.505, 0.697, 0.573), "segm": (0.320, 0.562, 0.299)}[kind]
    shown = "AP {:.1f}, AP50 {:.1f}, AP75 {:.1f}".format(*(100 * value for value in published))
    assert headline == f"coco {kind}: {shown}"


def test_lvis(evaluate):
    folder = DATA / "eval" / "lvis_val_100"
    files = folder / "lvis_val_100.json", folder / "bbox_results.json"
    figures, headline = evaluate(*files, "--protocol", "lvis")
    for name, value in read(folder / "expected.json")["bbox"].items():
        key = RARITY.get(name, "all/" + brief(name))
        assert f"{figures[key]:.6f}" == f"{value:.6f}", name
    assert headline == "lvis bbox: AP 35.0, APr 0.0, APc 36.0, APf 35.0"


@pytest.mark.parametrize(("truth", "digits"), [("ovcoco_val_all65", 6), ("instances_val2017", 3)])
def test_open_vocabulary_coco(evaluate, truth, digits):
    """A real detector of 80 classes, against the file of 65 classes and against COCO's own.

    The latter has an image more, without any of the 65 classes.
    """
    folder = DATA / "photos" / "coco" / "annotations"
    files = folder / f"{truth}.json", folder / "detections_fastestdet_val2017.json"
    figures, headline = evaluate(*files, "--protocol", "ov-coco", "--partial")
    expected = read(folder / "expected_fastestdet_val2017.json")["ov_coco_generalised"]
    for group in ("base", "novel", "all"):
        shown = f"{figures[group + '/AP50']:.{digits}f}"
        assert shown == f"{expected[f'AP50_{group}']:.{digits}f}"
    assert headline.startswith("ov-coco bbox: novel AP50 39.5, base AP50 33.7, all AP50 35.2")


def test_coco_with_a_real_detector(evaluate):
    folder = DATA / "photos" / "coco" / "annotations"
    files = folder / "instances_val2017.json", folder / "detections_fastestdet_val2017.json"
    figures, _ = evaluate(*files, "--protocol", "coco")
    expected = read(folder / "expected_fastestdet_val2017.json")["all80"]
    for name, value in expected["summary"].items():
        assert f"{figures['all/' + brief(name)]:.6f}" == f"{value:.6f}", name


def test_panoptic(evaluate):
    folder = DATA / "eval" / "panoptic_20"
    files = folder / "gt.json", folder / "pred.json"
    _, headline = evaluate(*files, "--protocol", "panoptic")
    assert headline.startswith("panoptic: PQ 18.1")
    assert headline.endswith("things PQ 17.9, stuff PQ 18.4")


REAL = [
    ("eval/coco_val2014_100/instances_gt.json", "eval/coco_val2014_100/bbox_results.json"),
    ("eval/lvis_val_100/lvis_val_100.json", "eval/lvis_val_100/bbox_results.json"),
    (
        "photos/coco/annotations/instances_val2017.json",
        "photos/coco/annotations/detections_fastestdet_val2017.json",
    ),
]


@pytest.mark.parametrize(("truth", "results"), REAL)
def test_real_boxes_as_corners_are_seen(truth, results):
    entries = read(DATA / results)
    for entry in entries:
        x, y, width, height = entry["bbox"]
        entry["bbox"] = [x, y, x + width, y + height]
    told = r"^result \d+ \(image \d+\): bbox must be x, y, width, height, .* \(and \d+ more\)$"
    with pytest.raises(InputError, match=told):
        as_results(entries, read(DATA / truth))


def test_classes_numbered_without_holes_are_seen():
    """As a head of 80 classes counts them: from 1 on, where COCO's ids go to 90."""
    truth, entries = (read(DATA / path) for path in REAL[2])
    place = {entry["id"]: i for i, entry in enumerate(truth["categories"], 1)}
    for entry in entries:
        entry["category_id"] = place[entry["category_id"]]
    with pytest.raises(
        InputError, match=r"category_id \d+ is not one of the truth's 80 .* more\)$"
    ):
        as_results(entries, truth)
