import json

import pytest

import ovdet.finetuning
from ovdet.cli import main


@pytest.fixture
def asked(monkeypatch):
    """Return the plans that the command hands over; nothing is learnt."""
    plans = []
    monkeypatch.setattr(ovdet.finetuning, "finetune", lambda plan, _: plans.append(plan))
    return plans


def test_options_become_a_plan(asked, tmp_path, capsys):
    words = ["finetune", "d.json", "--images", "p", "--out", str(tmp_path / "m"), "--how", "full"]
    assert main([*words, "--keep", "0.7", "--steps", "9", "--held-out", "@stickers-ov"]) == 0
    (plan,) = asked
    assert (str(plan.data), str(plan.images), plan.how) == ("d.json", "p", "full")
    assert (plan.keep, plan.steps, plan.held_out, plan.seed) == (0.7, 9, "@stickers-ov", 0)
    assert f"--model {tmp_path / 'm'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--steps", "0"], "steps must be at least 1"),
        (["--keep", "0.5"], "keep goes with how 'full'"),
        (["--model", "no-such"], "model must be in the zoo"),
        ([], "data.json: cannot be read"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, words, told):
    out = ["--out", str(tmp_path / "m")]
    assert main(["finetune", str(tmp_path / "data.json"), *out, *words]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("ovdet finetune: ")
    assert told in said
    assert "\n" not in said
    assert not (tmp_path / "m").exists()


def test_boxes_of_no_known_form_are_told(tmp_path, capsys):
    (tmp_path / "data.json").write_text(json.dumps({"images": []}))
    out = ["--out", str(tmp_path / "m")]
    assert main(["finetune", str(tmp_path / "data.json"), *out]) == 2
    assert "data.json" in capsys.readouterr().err
