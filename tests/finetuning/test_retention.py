import json

import pytest
import torch

from ovdet.apis.model import Settings
from ovdet.data.stickers.sprites import find_font
from ovdet.finetuning import Held, HeldOut, Plan
from ovdet.finetuning.retention import check_apart, held_of, held_out_set, measure, read_set
from ovdet.structures import InputError, Regions

SETTINGS = Settings(48, 64)


def held(name="held out, novel", before=50.0, after=47.0):
    rows = [{"AP": value / 2, "AP50": value} for value in (before, after)]
    return Held(name, 17, *rows)


def report(**changes):
    new = held("new classes", 1.0, 61.0)
    facts = {"measured_on": "val.json", "learnt_from": False, "others": (held(),)}
    return HeldOut(new, **facts | changes)


def test_the_report_is_a_table_and_warns_of_what_was_lost():
    lines = report().lines()
    assert lines == [
        "                            before   after  change",
        "new classes (17)      AP       0.5    30.5   +30.0",
        "                      AP50     1.0    61.0   +60.0",
        "held out, novel (17)  AP      25.0    23.5    -1.5",
        "                      AP50    50.0    47.0    -3.0",
        "warning: AP50 of held out, novel fell by 3.0, more than 2; fewer --steps, a greater "
        "--keep or --how head keep more",
    ]


def test_two_points_are_no_warning():
    assert not report(others=(held(after=48.0),)).warnings


def test_the_report_says_what_it_does_not_know():
    lines = report(learnt_from=True, others=(), why="no file").lines()
    assert lines[-2:] == [
        "new classes: measured on what they were learnt from; give --val FILE",
        "retention was not measured: no file",
    ]


def test_the_report_is_kept_as_json():
    record = json.loads(report().encode())
    assert record["new"]["change"] == {"AP": 30.0, "AP50": 60.0}
    assert record["held_out"]["held out, novel"]["after"] == {"AP": 23.5, "AP50": 47.0}
    assert len(record["warnings"]) == 1


class Knower:
    """Finds what is there, except that it misses one picture."""

    def __init__(self, dataset, missed=0):
        self.dataset, self.missed = dataset, missed

    def eval(self):
        return self

    def predict(self, samples, vocabulary):
        assert vocabulary == self.dataset.vocabulary
        found = []
        for sample in samples:
            stored = self.dataset.stored(sample.image_id - 1).truth
            empty = torch.zeros(0, dtype=torch.int64)
            truth = stored if sample.image_id != self.missed else stored[empty]
            scores = torch.full((len(truth),), 0.9)
            found.append(Regions(truth.boxes, truth.owner, scores, truth.labels))
        return found


def test_figures_are_those_of_coco(data):
    dataset = read_set(data, data.parent, SETTINGS)
    figures = measure(Knower(dataset), dataset, "now")
    assert {key for key in figures if key.startswith("all/")} == {"all/AP", "all/AP50"}
    assert figures["all/AP50"] == pytest.approx(100)
    # three pictures: jade, ruby, jade; without the second ruby is never found
    missed = measure(Knower(dataset, missed=2), dataset, "now")
    assert missed["all/AP50"] == pytest.approx(50)


def test_sides_are_told_apart_where_there_are_both(held_out):
    dataset = read_set(held_out, held_out.parent, SETTINGS)
    figures = {"all/AP": 1.0, "all/AP50": 2.0, "base/AP": 1.0, "base/AP50": 2.0}
    (one,) = held_of("held out", dataset, figures, figures)
    assert (one.name, one.classes, one.change["AP"]) == ("held out", 1, 0)
    both = figures | {"novel/AP": 3.0, "novel/AP50": 4.0}
    names = [row.name for row in held_of("held out", dataset, both, both)]
    assert names == ["held out, novel", "held out, base", "held out, all"]


def test_where_retention_is_measured(tmp_path, held_out):
    plan = Plan(tmp_path / "d.json", tmp_path / "out")
    with held_out_set(plan, SETTINGS, stickers=False) as found:
        assert found == "name a COCO file of other classes with --held-out"
    plan = Plan(tmp_path / "d.json", tmp_path / "out", held_out=str(held_out))
    with held_out_set(plan, SETTINGS, stickers=True) as found:
        assert found.vocabulary.names == ("coal",)
    plan = Plan(tmp_path / "d.json", tmp_path / "out", held_out="@lvis-v1")
    with (
        pytest.raises(InputError, match="held-out must be @stickers-ov or a COCO file"),
        held_out_set(plan, SETTINGS, stickers=True),
    ):
        pass


def test_without_the_font_there_are_no_stickers(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_STICKER_FONT", str(tmp_path / "none.ttf"))
    find_font.cache_clear() if hasattr(find_font, "cache_clear") else None
    with held_out_set(
        Plan(tmp_path / "d.json", tmp_path / "out"), SETTINGS, stickers=True
    ) as found:
        assert "must name the file" in found
    asked = Plan(tmp_path / "d.json", tmp_path / "out", held_out="@stickers-ov")
    with (
        pytest.raises(InputError, match="must name the file"),
        held_out_set(asked, SETTINGS, stickers=True),
    ):
        pass


def test_held_out_names_are_not_learnt(held_out):
    dataset = read_set(held_out, held_out.parent, SETTINGS)
    check_apart(("ruby",), dataset)
    with pytest.raises(InputError, match="'coal' is in both files"):
        check_apart(("coal", "ruby"), dataset)
