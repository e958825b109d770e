"""Proofs on the run that takes a second, and tables by hand."""

import json

import numpy as np
import pytest
import torch
from small_run import CONFIG
from torch import nn

from ovdet.data import LoadProposals
from ovdet.engine.proof import Proof, Variant, find_table, put_table, slug, write_prepared
from ovdet.registry import MODELS
from ovdet.structures import InputError, Regions, Sample

PROOF = """
labeler = dict(type="CornerLabeler")
variants = [
    dict(name="Baseline", config="small.py"),
    dict(
        name="with what was prepared",
        config="small.py",
        options={"train.dataset.transforms": [dict(type="LoadProposals", file="{prepared}")]},
        prepared=True,
    ),
]
figures = {"error": "small/error"}
"""
IMAGES = 7  # of the small run's data


@MODELS.register_module()
class CornerLabeler(nn.Module):
    """One box an image, whose embedding is the image's number and the detector's first weight."""

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, sample):
        first = self.detector.linear.weight[0, 0].detach()
        vector = torch.stack([torch.tensor(float(sample.image_id)), first])
        sample.proposals = Regions(
            torch.tensor([[0.0, 0.0, 1.0, 2.0]]),
            torch.zeros(1, dtype=torch.int64),
            embeddings=vector[None],
        )
        return sample


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.py").write_text(CONFIG)
    (tmp_path / "proof.py").write_text(PROOF)
    return tmp_path


def test_a_variant_reads_what_the_baselines_detector_prepared(folder):
    proof, out = Proof.load(folder), folder / "out"
    metrics = proof.run(proof.variants[1], 5, out)
    assert metrics["small/count"] == IMAGES
    assert metrics["seconds"] > 0
    trained = torch.load(out / "baseline_seed5" / "iter_8.pth", weights_only=False)["model"]
    with np.load(out / "prepared_seed5.npz") as stored:
        assert len(stored.files) == 2 * IMAGES
        assert stored["6.embeddings"].dtype == np.float16
        expected = [6.0, trained["linear.weight"][0, 0].item()]
        np.testing.assert_allclose(stored["6.embeddings"][0], expected, rtol=1e-3)


def test_a_finished_run_is_not_repeated(folder):
    proof, out = Proof.load(folder), folder / "out"
    first = proof.run(proof.variants[0], 0, out)
    (folder / "small.py").unlink()  # nothing could be trained now
    assert proof.run(proof.variants[0], 0, out) == first
    assert json.loads((out / "baseline_seed0" / "metrics.json").read_text()) == first
    with pytest.raises(InputError, match="there is no such config file"):
        proof.run(proof.variants[0], 1, out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file: this method has no proof"),
        ("variants = [", "is not a config"),
        ("figures = dict(a='a')", "must have an entry 'variants'"),
        ("variants = [dict(name='a', config='b')]", "must have an entry 'figures'"),
        ("variants = [dict(name='a')]; figures = dict(a='a')", "is not a proof: .*'config' or"),
        (
            "variants = [dict(name='a', config='b', of='c')]; figures = dict(a='a')",
            ".*either a 'con",
        ),
        (
            "variants = [dict(name='a', config='b', weights_of='c')]; figures = dict(a='a')",
            r"row 'a' needs \['c'\]: no such row",
        ),
        ("variants = [dict(nam='a')]; figures = dict(a='a')", "is not a proof: .*'nam'"),
    ],
)
def test_what_is_no_proof_is_one_line(tmp_path, text, message):
    if text is not None:
        (tmp_path / "proof.py").write_text(text)
    with pytest.raises(InputError, match=rf"proof\.py: {message}") as caught:
        Proof.load(tmp_path)
    assert "\n" not in str(caught.value)


def table(tmp_path, results):
    variants = tuple(Variant(name, "x.py") for name in results)
    return Proof(tmp_path, variants, {"novel": "n", "base": "b"}).table(results)


def test_the_table_by_hand(tmp_path):
    # Deviations: of 10 and 20 it is 10 / sqrt(2), of the gains 15 and 25 as well.
    results = {
        "text only": [{"n": 0.1, "b": 0.5, "seconds": 9}, {"n": 0.2, "b": 0.5, "seconds": 10}],
        "ours": [{"n": 0.25, "b": 0.4, "seconds": 20}, {"n": 0.45, "b": 0.6, "seconds": 21}],
    }
    assert table(tmp_path, results).splitlines() == [
        "| variant | novel | base | gain in novel | seconds |",
        "| --- | --- | --- | --- | --- |",
        "| text only | 15.0 ± 7.1 | 50.0 ± 0.0 | 0.0 ± 0.0 | 10 |",
        "| ours | 35.0 ± 14.1 | 50.0 ± 14.1 | 20.0 ± 7.1 | 20 |",
    ]


def test_what_was_not_measured_is_a_dash(tmp_path):
    results = {
        "text only": [{"n": 0.1, "seconds": 9}, {"n": 0.1, "b": 0.5, "seconds": 9}],
        "ours": [{"b": 0.4, "seconds": 9}, {"b": 0.4, "seconds": 9}],
    }
    assert table(tmp_path, results).splitlines()[2:] == [
        "| text only | 10.0 ± 0.0 | - | 0.0 ± 0.0 | 9 |",
        "| ours | - | 40.0 ± 0.0 | - | 9 |",
    ]


def test_one_seed_has_no_deviation(tmp_path):
    row = table(tmp_path, {"a": [{"n": 0.123, "b": 1.0, "seconds": 1.6}]}).splitlines()[-1]
    assert row == "| a | 12.3 | 100.0 | 0.0 | 2 |"


def test_what_was_prepared_comes_back(tmp_path):
    boxes = {3: [[0.0, 1, 2, 3]], 8: []}

    def labeler(sample):
        rows = torch.tensor(boxes[sample.image_id]).reshape(-1, 4)
        owner = torch.zeros(len(rows), dtype=torch.int64)
        sample.proposals = Regions(rows, owner, embeddings=rows[:, :2] / 3)
        return sample

    samples = [Sample(torch.zeros(3, 4, 4), image_id) for image_id in boxes]
    write_prepared(labeler, samples, tmp_path / "a.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    load = LoadProposals(str(tmp_path / "a.npz"))
    found = [load(sample, None).proposals for sample in samples]
    assert found[0].boxes.tolist() == boxes[3]
    torch.testing.assert_close(found[0].embeddings, torch.tensor([[0, 1 / 3]]), atol=1e-3, rtol=0)
    assert len(found[1]) == 0


def test_labels_are_stored_where_there_are_some(tmp_path):
    def labeler(sample):
        labels = torch.tensor([sample.image_id])
        zero = torch.zeros(1, dtype=torch.int64)
        sample.proposals = Regions(torch.zeros(1, 4), zero, torch.ones(1), labels)
        return sample

    write_prepared(labeler, [Sample(torch.zeros(3, 4, 4), 3)], tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["3.labels"].tolist() == [3]
        assert stored["3.labels"].dtype == np.int64
        assert stored["3.scores"].tolist() == [1]


def test_slugs():
    assert slug("control: shuffled teacher") == "control-shuffled-teacher"
    assert slug("ViLD, (2nd)  run") == "vild-2nd-run"


def test_a_row_may_only_measure_on_prepared_pictures(folder):
    loads = '"val.dataset.transforms": [dict(type="LoadProposals", file="{prepared_val}")]'
    row = f'dict(name="measured", config="small.py", options={{"train": None, {loads}}}, '
    text = PROOF.replace("]\nfigures", f"    {row}prepared=True),\n]\nfigures")
    (folder / "proof.py").write_text(text)
    proof, out = Proof.load(folder), folder / "out"
    metrics = proof.run(proof.row("measured"), 3, out)
    assert metrics["small/count"] == IMAGES
    assert not list((out / "measured_seed3").glob("*.pth"))
    assert sorted(path.name for path in out.glob("*.npz")) == [
        "prepared_seed3.npz",
        "prepared_val_seed3.npz",
    ]


SEVERAL = PROOF.replace(
    "]\nfigures",
    """    dict(name="measured again", config="small.py", weights_of="with what was prepared"),
    dict(
        name="reads a run",
        config="small.py",
        options={"model.poison": "{run:measured again}"},
    ),
]
figures""",
)


def test_steps_follow_needs(folder):
    (folder / "proof.py").write_text(SEVERAL)
    assert Proof.load(folder).steps() == [
        ["Baseline"],
        ["prepare"],
        ["with what was prepared"],
        ["measured again"],
        ["reads a run"],
    ]


def test_rows_that_need_each_other_are_told(folder):
    circle = SEVERAL.replace('weights_of="with what was prepared"', 'weights_of="reads a run"')
    (folder / "proof.py").write_text(circle)
    with pytest.raises(InputError, match="rows need each other"):
        Proof.load(folder).steps()


def test_a_row_may_measure_the_weights_of_another(folder):
    (folder / "proof.py").write_text(SEVERAL)
    proof, out = Proof.load(folder), folder / "out"
    first = proof.run(proof.row("with what was prepared"), 2, out)
    again = proof.run(proof.row("measured again"), 2, out)
    assert again["small/error"] == pytest.approx(first["small/error"])
    assert not list((out / "measured-again_seed2").glob("*.pth"))


def test_the_folder_of_a_run_is_filled_in(folder):
    (folder / "proof.py").write_text(SEVERAL)
    proof = Proof.load(folder)
    config = proof._config(proof.row("reads a run"), 4, folder / "out", {})
    assert config.model.poison == str(folder / "out" / "measured-again_seed4")


def test_a_row_of_another_proof_runs_there(folder):
    (folder / "other").mkdir()
    (folder / "small").mkdir()
    for name in ("small.py", "proof.py"):
        (folder / name).rename(folder / "small" / name)
    (folder / "other" / "proof.py").write_text(
        'variants = [dict(name="Baseline", of="small"), dict(name="Lost", of="small")]\n'
        'figures = dict(error="small/error")\nlabeler_of = "small"\n'
    )
    proof = Proof.load(folder / "other")
    metrics = proof.run(proof.variants[0], 1, folder / "out" / "other")
    assert json.loads((folder / "out/small/baseline_seed1/metrics.json").read_text()) == metrics
    assert proof.prepare(1, folder / "out" / "other") == folder / "out/small/prepared_seed1.npz"
    with pytest.raises(InputError, match="no row 'Lost'"):
        proof.run(proof.variants[1], 1, folder / "out" / "other")


README = "# Method\n\n<!-- proof -->\n<!-- end of proof -->\n\nWhat it says.\n"


def test_a_readme_keeps_what_was_printed():
    assert find_table(README) is None
    once = put_table(README, "| a |\n", "README.md")
    assert find_table(once) == "| a |"
    again = put_table(once, "| b |\n\nSeeds 0.\n", "README.md")
    assert find_table(again) == "| b |\n\nSeeds 0."
    assert again.startswith("# Method\n\n<!-- proof -->\n\n| b |")
    assert again.endswith("<!-- end of proof -->\n\nWhat it says.\n")


def test_a_readme_without_a_place_is_told():
    assert find_table("# Method\n") is None
    with pytest.raises(InputError, match=r"README.md: must mark the place of the table"):
        put_table("# Method\n<!-- proof -->\n", "| a |", "README.md")
