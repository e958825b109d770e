"""Training, and measuring what it left: what they print, what they leave, how they refuse."""

import json

import pytest
import torch
from small_run import CONFIG

from ovdet.cli import main
from ovdet.engine.checkpoints import load_checkpoint


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def trained(config, tmp_path):
    out = tmp_path / "out"
    assert main(["train", str(config), "--work-dir", str(out)]) == 0
    return out


def refused(capsys, status, words, message, name="train"):
    """Run a command that must fail with one line on stderr."""
    assert main([name, *words]) == status
    told = capsys.readouterr().err.strip()
    assert message in told
    assert len(told.splitlines()) == 1
    return told


def test_what_was_trained_can_be_measured(config, trained, tmp_path, capsys):
    words = [str(config), str(trained / "iter_8.pth"), "--work-dir", str(tmp_path / "test")]
    assert main(["test", *words]) == 0
    assert "small/error" in capsys.readouterr().out
    stored = json.loads((tmp_path / "test" / "metrics.json").read_text())
    last = json.loads((trained / "log.jsonl").read_text().splitlines()[-1])
    assert stored["small/error"] == pytest.approx(last["metrics"]["small/error"])


def test_a_second_run_needs_its_own_folder(config, trained, capsys):
    refused(capsys, 2, [str(config), "--work-dir", str(trained)], "continue it with --resume")


def test_resume_of_a_finished_run_ends_at_once(config, trained):
    before = (trained / "iter_8.pth").read_bytes()
    assert main(["train", str(config), "--work-dir", str(trained), "--resume"]) == 0
    assert (trained / "iter_8.pth").read_bytes() == before


def test_the_seed_can_be_given(config, trained, tmp_path):
    words = [str(config), "--work-dir", str(tmp_path / "other"), "--seed", "4"]
    assert main(["train", *words]) == 0
    first, second = (
        load_checkpoint(f / "iter_8.pth")["model"] for f in (trained, tmp_path / "other")
    )
    assert not torch.equal(first["linear.weight"], second["linear.weight"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "is not a config: SyntaxError"),
        ("_base_ = ['none.py']", "none.py"),
        ("seed = 0", "must have a section 'model'"),
        (CONFIG.replace("SmallModel", "SmolModel"), "unknown type 'SmolModel'; did you mean"),
        (CONFIG.replace("batch_size=3", "batchsize=3"), "no option 'batchsize'; did you mean"),
        (CONFIG.replace("iters=8, ", ""), "needs the key 'iters', which is missing"),
        (CONFIG.replace('imports=["small_run"]', 'imports=["no_such_module"]'), "no_such_module"),
    ],
)
def test_a_bad_config_is_one_line(tmp_path, capsys, text, message):
    path = tmp_path / "bad.py"
    path.write_text(text)
    refused(capsys, 2, [str(path), "--work-dir", str(tmp_path / "out")], message)
    assert not (tmp_path / "out").exists(), "nothing may be left half-written"


def test_a_missing_config_is_one_line(tmp_path, capsys):
    refused(capsys, 2, [str(tmp_path / "none.py")], "there is no such config file")


def test_a_bad_option_is_one_line(config, capsys):
    refused(capsys, 2, [str(config), "--cfg-options", "optim.lr"], "must be key=value")


def test_a_loss_that_is_no_number_is_one_line_and_status_1(config, tmp_path, capsys):
    words = [str(config), "--work-dir", str(tmp_path / "out"), "--cfg-options", "model.poison=9"]
    told = refused(capsys, 1, words, "loss_colour is nan at step 4, samples [")
    assert told.startswith("ovdet train: loss_colour")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "there is no such checkpoint"),
        (lambda p: p.write_bytes(p.read_bytes()[:300]), "is damaged or no checkpoint"),
        (
            lambda p: torch.save(torch.nn.Linear(1, 1).state_dict(), p),
            "another model than SmallModel",
        ),
        (lambda p: torch.save({"model": eval}, p), "refused"),
    ],
)
def test_a_bad_checkpoint_is_one_line(config, trained, capsys, damage, message):
    damage(trained / "iter_8.pth")
    words = [str(config), str(trained / "iter_8.pth"), "--work-dir", str(trained / "test")]
    refused(capsys, 2, words, message, "test")
    assert not (trained / "test").exists() or "another model" in message


def test_a_vocabulary_needs_a_data_set_that_has_one(config, trained, capsys):
    words = [str(config), str(trained / "iter_8.pth"), "--vocabulary", "names.json"]
    words += ["--work-dir", str(trained / "test")]
    refused(capsys, 2, words, "val.dataset: SmallData has no option 'vocabulary'", "test")
