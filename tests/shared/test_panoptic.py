import json
from pathlib import Path

import pytest

from ovdet.evaluation import evaluate_panoptic_files

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "eval" / "panoptic_20"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no reference scores at {FOLDER}")


def test_panopticapis_scores_are_found():
    expected = json.loads((FOLDER / "expected.json").read_text())
    found = evaluate_panoptic_files(FOLDER / "gt.json", FOLDER / "pred.json", classes=True)
    for theirs, ours in (("All", "all"), ("Things", "things"), ("Stuff", "stuff")):
        for figure in ("pq", "sq", "rq"):
            reference = expected[theirs][figure]
            assert found[f"{ours}/{figure.upper()}"] == pytest.approx(reference, abs=1e-6)
    names = {c["id"]: c["name"] for c in json.loads((FOLDER / "gt.json").read_text())["categories"]}
    for number, figures in expected["per_class"].items():
        key = f"PQ/{names[int(number)]}"
        assert found[key] == pytest.approx(figures["pq"], abs=1e-6), key
