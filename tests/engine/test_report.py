import json

from ovdet.engine import encode_metrics, format_metrics


def test_groups_stand_side_by_side_in_percent():
    metrics = {
        "coco/bbox/base/AP50": 0.5,
        "coco/bbox/novel/AP50": 0.254,
        "coco/bbox/all/AP50": float("nan"),
        "coco/recall50@100/all": 1.0,
        "zero_shot/top1": 0.95,
    }
    assert format_metrics(metrics).splitlines() == [
        "                    novel    base     all",
        "coco/bbox/AP50       25.4    50.0       -",
        "coco/recall50@100       -       -   100.0",
        "zero_shot/top1       0.95",
    ]


def test_other_groups_have_a_column_where_they_occur():
    metrics = {"lvis/bbox/rare/AP": 0.1, "lvis/bbox/frequent/AP": 0.3, "lvis/bbox/all/AP": 0.2}
    assert format_metrics(metrics).splitlines() == [
        "               novel    base     all    rare  frequent",
        "lvis/bbox/AP       -       -    20.0    10.0      30.0",
    ]


def test_nothing_measured_is_nothing():
    assert format_metrics({}) == ""


def test_what_could_not_be_measured_is_null():
    assert json.loads(encode_metrics({"a": 0.5, "b": float("nan")})) == {"a": 0.5, "b": None}
