import math

import pytest
import torch
from small_run import SmallModel, read_config, train

from ovdet.engine import TrainingError, build_runner, loops
from ovdet.engine.checkpoints import find_last, load_checkpoint
from ovdet.structures import InputError, Vocabulary


def weights(folder, step):
    return load_checkpoint(folder / f"iter_{step}.pth")["model"]


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train(folder, {"train.keep": 9})
    return folder


def continued(folder, whole, step):
    """Start a run in ``folder`` from a step of the whole one."""
    folder.mkdir()
    name = f"iter_{step}.pth"
    (folder / name).write_bytes((whole / name).read_bytes())
    return train(folder, {})


def test_a_resume_is_exact(tmp_path, whole):
    continued(tmp_path / "resumed", whole, 4)
    assert same(weights(whole, 8), weights(tmp_path / "resumed", 8))


def test_the_random_state_matters(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(loops, "set_random_state", lambda _: None)
    continued(tmp_path / "resumed", whole, 4)
    assert not same(weights(whole, 8), weights(tmp_path / "resumed", 8))


def test_a_finished_run_stays_as_it_is(tmp_path, whole):
    runner = continued(tmp_path / "done", whole, 8)
    assert runner.train_loop.iter == 8
    assert same(weights(whole, 8), weights(tmp_path / "done", 8))
    assert runner.train_loop.metrics["small/count"] == 7  # it may have been stopped before this


def test_measuring_does_not_touch_the_training(tmp_path, whole):
    train(tmp_path, {"train.val_interval": 1})
    assert same(weights(whole, 8), weights(tmp_path, 8))


def test_the_last_measurement_is_kept(tmp_path):
    runner = train(tmp_path, {"val.batch_size": 3})  # 3 + 3 + 1: the last batch counts too
    assert runner.train_loop.metrics["small/count"] == 7
    assert math.isfinite(runner.train_loop.metrics["small/error"])


def test_the_position_counts_samples(tmp_path):
    train(tmp_path, {"train.iters": 5})
    assert load_checkpoint(find_last(tmp_path))["position"] == 5 * 3


def test_a_loss_that_is_no_number_stops_before_the_checkpoint(tmp_path):
    with pytest.raises(
        TrainingError, match=r"loss_colour is nan at step 4, samples \[\d, \d, \d\]"
    ):
        train(tmp_path, {"model.poison": 9})  # three steps of three samples are fine
    assert find_last(tmp_path).name == "iter_2.pth"


def test_another_optimizer_is_refused(tmp_path, whole):
    (tmp_path / "iter_4.pth").write_bytes((whole / "iter_4.pth").read_bytes())
    with pytest.raises(InputError, match="was trained with another optimizer"):
        train(tmp_path, {"optim.warmup": 0})


def test_another_model_is_refused(tmp_path, whole):
    record = load_checkpoint(whole / "iter_4.pth")
    record["model"] = torch.nn.Linear(2, 2).state_dict()
    torch.save(record, tmp_path / "iter_4.pth")
    with pytest.raises(
        InputError, match=r"another model than SmallModel: linear\.weight, .* missing"
    ):
        train(tmp_path, {})


def test_plain_weights_are_nothing_to_resume_from(tmp_path):
    torch.save(SmallModel().state_dict(), tmp_path / "iter_4.pth")
    with pytest.raises(InputError, match="is no training checkpoint, it lacks"):
        train(tmp_path, {})


def test_the_vocabulary_of_the_data_is_set_and_put_back(tmp_path):
    runner = build_runner(read_config(), tmp_path)
    own, other = Vocabulary(("own",)), Vocabulary(("asked",))
    runner.model.vocabulary = own
    runner._val_dataloader.dataset.vocabulary = other
    asked = []
    runner.model.register_forward_pre_hook(lambda model, _: asked.append(model.vocabulary))
    runner.val()
    assert asked
    assert all(vocabulary is other for vocabulary in asked)
    assert runner.model.vocabulary is own
