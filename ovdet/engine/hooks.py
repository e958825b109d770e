"""What happens beside the steps: the log and the checkpoints."""

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from torch import Tensor
from tqdm import tqdm

from ovdet.engine.checkpoints import bare, save_checkpoint
from ovdet.engine.report import format_metrics
from ovdet.registry import HOOKS
from ovdet.structures import InputError


@HOOKS.register_module()
class CheckpointHook(Hook):  # type: ignore[misc]
    """Saves all that exact continuing needs, every ``interval`` steps and after the last.

    Args:
        interval: Steps between two checkpoints.
        keep: How many stay on disk.
    """

    priority = "VERY_LOW"  # after the schedulers have stepped

    def __init__(self, interval: int, keep: int = 2) -> None:
        self.interval = interval
        self.keep = keep

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        """Save where it is time to.

        Raises:
            OSError: If the work folder cannot be written to.
        """
        loop = runner.train_loop
        if loop.iter % self.interval and loop.iter != loop.max_iters:
            return
        record = loop.state() | {"config": runner.cfg.pretty_text if runner.cfg.filename else ""}
        if is_main_process():
            name = f"iter_{loop.iter}.pth"
            save_checkpoint(record, Path(runner.work_dir), name, self.keep)


@HOOKS.register_module()
class ImageCounts(Hook):  # type: ignore[misc]
    """Tells what draws classes in a model (``image_counts``) how many images show each one.

    Of several sources, the boxed ones that count their images are added up.
    """

    def before_train(self, runner: Any) -> None:
        """Count, and tell.

        Raises:
            InputError: If the training set cannot count, or the model has no part to tell.
        """
        dataset = runner.train_dataloader.dataset
        boxed = [source.dataset for source in getattr(dataset, "sources", ()) if source.boxed]
        counts = [one.image_counts() for one in boxed or [dataset] if hasattr(one, "image_counts")]
        parts = [p for p in bare(runner.model).modules() if hasattr(p, "image_counts")]
        if not counts or not parts:
            raise InputError(
                "ImageCounts needs a training set of boxes and a model that draws classes: "
                f"{len(counts)} data sets count, {len(parts)} parts listen"
            )
        for part in parts:
            part.image_counts = torch.from_numpy(sum(counts))


@HOOKS.register_module()
class ProgressHook(Hook):  # type: ignore[misc]
    """Tells how training goes: log lines, ``log.jsonl``, and a bar where there is a terminal.

    Args:
        interval: Steps between two lines; the figures are means over them.
    """

    priority = "VERY_LOW"  # after hooks that add figures to what was measured

    def __init__(self, interval: int = 20) -> None:
        self.interval = interval
        self._sums: dict[str, Any] = defaultdict(float)
        self._steps = 0
        self._since = time.perf_counter()
        self._bar: Any = None

    def before_train(self, runner: Any) -> None:
        """Start the clock and the bar."""
        loop = runner.train_loop
        quiet = None if is_main_process() else True
        self._bar = tqdm(total=loop.max_iters, initial=loop.iter, desc="training", disable=quiet)
        self._since = time.perf_counter()

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,  # noqa: ARG002 - mmengine passes it by name
        outputs: Any = None,
    ) -> None:
        """Add up the losses; report every ``interval`` steps and at the last."""
        for name, value in (outputs or {}).items():
            self._sums[name] += value.detach() if isinstance(value, Tensor) else value
        self._steps += 1
        self._bar.update()
        done, last = batch_idx + 1, runner.train_loop.max_iters
        if done % self.interval == 0 or done == last:
            self._report(runner, done, last)

    def before_val(self, runner: Any) -> None:  # noqa: ARG002
        """Stop the clock: measuring is not training."""
        self._since -= time.perf_counter()

    def after_val(self, runner: Any) -> None:  # noqa: ARG002
        """Start the clock again."""
        self._since += time.perf_counter()

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Report what was measured."""
        loop = runner._train_loop
        step = getattr(loop, "iter", 0)
        runner.logger.info("measured at step %d\n%s", step, format_metrics(metrics or {}))
        self._write(runner, {"iter": step, "metrics": metrics})

    def after_train(self, runner: Any) -> None:  # noqa: ARG002
        """Close the bar."""
        self._bar.close()

    def _report(self, runner: Any, done: int, last: int) -> None:
        seconds = (time.perf_counter() - self._since) / max(self._steps, 1)
        means = {name: float(total) / self._steps for name, total in self._sums.items()}
        rate = runner.optim_wrapper.get_lr()["lr"][0]
        left = _clock(seconds * (last - done))
        told = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        line = f"step {done}/{last}  {told}  lr {rate:.2e}  {1 / seconds:.2f} it/s  left {left}"
        self._bar.clear()  # the next update draws it again below the line
        runner.logger.info("%s", line)
        self._write(runner, {"iter": done, "lr": rate, "seconds": seconds} | means)
        self._sums.clear()
        self._steps, self._since = 0, time.perf_counter()

    def _write(self, runner: Any, record: dict[str, Any]) -> None:
        if is_main_process():
            with (Path(runner.work_dir) / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
