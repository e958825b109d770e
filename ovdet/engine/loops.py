"""The training loop and the measuring loop that mmengine's Runner calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, broadcast, get_rank, get_world_size, is_main_process
from mmengine.runner import BaseLoop, ValLoop
from torch import Tensor, nn
from tqdm import tqdm

from ovdet.data import SourceSampler
from ovdet.data.splits import read_vocabulary
from ovdet.engine.checkpoints import (
    bare,
    fill_weights,
    load_checkpoint,
    random_state,
    set_random_state,
)
from ovdet.structures import InputError, Vocabulary
from ovdet.text import check_reader, read_table


class TrainingError(RuntimeError):
    """Training cannot go on: a loss is not a number any more."""


class TrainLoop(BaseLoop):  # type: ignore[misc]
    """Trains for a number of steps; measures in between without touching the randomness.

    Args:
        runner: Who holds model, optimizer, schedulers and hooks.
        dataloader: Endless batches of a TrainSampler or a SourceSampler.
        max_iters: Steps in all.
        val_interval: Steps between two measurements; None measures at the end only.
        resume: A checkpoint to continue from, or None.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        *,
        max_iters: int,
        val_interval: int | None = None,
        resume: str | None = None,
    ) -> None:
        super().__init__(runner, dataloader)
        self.max_iters = max_iters
        self.max_epochs = 1
        self.epoch = 0
        self.val_interval = val_interval
        self.val_begin = 1
        self.iter = 0
        self.metrics: dict[str, float] = {}
        self._start = 0  # the sampler's position when this process began
        self._resume = resume
        self._began = 0

    @property
    def position(self) -> int:
        """Where the sampler stands after the step just done.

        The samples that all processes together have learnt from; of several sources, the steps.
        """
        several = isinstance(self._sampler, SourceSampler)
        step = 1 if several else self.dataloader.batch_size * get_world_size()
        return int(self._start + (self.iter - self._began) * step)

    @property
    def _sampler(self) -> Any:
        batches = self.dataloader.batch_sampler
        return batches if isinstance(batches, SourceSampler) else self.dataloader.sampler

    def run(self) -> nn.Module:
        """Train to the last step.

        Raises:
            TrainingError: If a loss becomes NaN or infinite.
            InputError: If the checkpoint to continue from does not fit.
        """
        runner = self.runner
        use_vocabulary(runner.model, self.dataloader.dataset)
        if self._resume is not None:
            self._restore(Path(self._resume))
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        batches = iter(self.dataloader)
        while self.iter < self.max_iters:
            runner.model.train()
            self._step(next(batches))
            if runner.val_loop is not None and self._is_measured():
                self._measure()
        if runner.val_loop is not None and not self.metrics:  # stopped between the two, last time
            self._measure()
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")
        model: nn.Module = runner.model
        return model

    def state(self) -> dict[str, Any]:
        """Return all that is needed to continue exactly after the step just done."""
        runner = self.runner
        _share_buffers(runner.model)
        return {
            "model": bare(runner.model).state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers],
            "iter": self.iter,
            "position": self.position,
            "random": all_gather_object(random_state()),
        }

    def _restore(self, path: Path) -> None:
        runner, record = self.runner, load_checkpoint(path)
        wanted = {"optimizer", "schedulers", "iter", "position", "random"}
        if missing := wanted - set(record):
            raise InputError(f"{path}: is no training checkpoint, it lacks {sorted(missing)}")
        fill_weights(runner.model, record["model"], str(path))
        try:
            runner.optim_wrapper.load_state_dict(record["optimizer"])
            if len(record["schedulers"]) != len(runner.param_schedulers):
                raise InputError("another number of schedulers")
            for scheduler, state in zip(runner.param_schedulers, record["schedulers"], strict=True):
                scheduler.load_state_dict(state)
        except (ValueError, KeyError, RuntimeError) as error:
            raise InputError(f"{path}: was trained with another optimizer: {error}") from error
        self.iter = self._began = record["iter"]
        self._start = self._sampler.position = record["position"]
        runner.optim_wrapper.initialize_count_status(runner.model, self.iter, self.max_iters)
        if get_rank() < len(record["random"]):
            set_random_state(record["random"][get_rank()])
        runner.logger.info("continuing from %s at step %d", path, self.iter)

    def _step(self, batch: dict[str, Any]) -> None:
        runner = self.runner
        runner.call_hook("before_train_iter", batch_idx=self.iter, data_batch=batch)
        losses = runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
        self._check(losses, batch)
        self.iter += 1
        runner.call_hook(
            "after_train_iter", batch_idx=self.iter - 1, data_batch=batch, outputs=losses
        )

    def _check(self, losses: dict[str, Tensor], batch: dict[str, Any]) -> None:
        if bool(torch.isfinite(losses["loss"])):
            return
        bad = [name for name, value in losses.items() if not bool(torch.isfinite(value).all())]
        name = next((name for name in bad if name != "loss"), "loss")
        ids = [sample.image_id for sample in batch["samples"]]
        raise TrainingError(
            f"{name} is {losses[name].item()} at step {self.iter + 1}, samples {ids}; "
            "the last checkpoint is as it was before"
        )

    def _is_measured(self) -> bool:
        due = self.val_interval is not None and self.iter % self.val_interval == 0
        return due or self.iter == self.max_iters

    def _measure(self) -> None:
        _share_buffers(self.runner.model)
        before = random_state()
        self.metrics = self.runner.val_loop.run()
        set_random_state(before)


class MeasureLoop(ValLoop):  # type: ignore[misc]
    """Predicts a data set under its own vocabulary and hands all to the metrics."""

    @torch.no_grad()
    def run(self) -> dict[str, float]:
        """Return the metrics, by ``<metric>/<figure>``."""
        runner = self.runner
        runner.call_hook("before_val")
        runner.call_hook("before_val_epoch")
        runner.model.eval()
        with _vocabulary_of(runner.model, self.dataloader.dataset):
            quiet = None if is_main_process() else True  # None: a bar where there is a terminal
            bar = tqdm(self.dataloader, desc="measuring", disable=quiet, delay=2, leave=False)
            for index, batch in enumerate(bar):
                self.run_iter(index, batch)
        metrics: dict[str, float] = self.evaluator.evaluate(len(self.dataloader.dataset))
        runner.call_hook("after_val_epoch", metrics=metrics)
        runner.call_hook("after_val")
        return metrics


def _share_buffers(model: nn.Module) -> None:
    """Give all processes the first one's running statistics: those are what is stored."""
    for buffer in bare(model).buffers():
        broadcast(buffer)


def use_vocabulary(model: nn.Module, dataset: Any) -> None:
    """Ask a model that works on a vocabulary for the classes of a data set."""
    vocabulary: Vocabulary | None = getattr(dataset, "vocabulary", None)
    inner: Any = bare(model)
    if vocabulary is not None and hasattr(inner, "vocabulary"):
        check_reader(inner, vocabulary)
        inner.vocabulary = vocabulary


def use_table(dataset: Any, file: str, names: str | None = None) -> None:
    """Give a data set's classes the embeddings of a table.

    Args:
        dataset: What has a ``vocabulary``.
        file: The table, as ``read_table`` takes it.
        names: The vocabulary its rows are for, a file or a published one as ``@lvis-v1``; the data
            set's own where None.

    Raises:
        InputError: If the data set has no classes, the file is no table of the names, or it lacks
            one of the data set's.
    """
    own: Vocabulary | None = getattr(dataset, "vocabulary", None)
    if own is None:
        raise InputError(f"{file}: a {type(dataset).__name__} has no classes to give a table to")
    known = own if names is None else read_vocabulary(names)
    dataset.vocabulary = own.with_table(read_table(file, known), file)


@contextmanager
def _vocabulary_of(model: nn.Module, dataset: Any) -> Iterator[None]:
    inner: Any = bare(model)
    before = getattr(inner, "vocabulary", None)
    use_vocabulary(model, dataset)
    try:
        yield
    finally:
        if hasattr(inner, "vocabulary"):
            inner.vocabulary = before
