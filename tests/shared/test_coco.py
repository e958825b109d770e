import json
from pathlib import Path

import pytest

from ovdet.evaluation import evaluate_coco

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "eval" / "coco_val2014_100"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no reference scores at {FOLDER}")


def read(name):
    return json.loads((FOLDER / name).read_text())


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("backend", ["hotcoco", "pycocotools"])
def test_the_published_results_get_their_published_scores(kind, backend):
    truth, expected = read("instances_gt.json"), read("expected.json")[kind]
    images = {image["id"] for image in truth["images"]}
    results = [r for r in read(f"{kind}_results.json") if r["image_id"] in images]
    found = evaluate_coco(truth, results, kind, backend=backend)
    for key in ("AP", "AP50", "AP75"):
        assert found[f"all/{key}"] == pytest.approx(expected["summary"][key], abs=1e-6)
