"""From a config to a Runner of mmengine that is handed finished parts."""

import atexit
import os
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.device import get_device
from mmengine.dist import get_rank, get_world_size, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner, set_random_seed
from torch import nn
from torch.utils.data import DataLoader

from ovdet.data import MultiSource, SourceSampler, TrainSampler, collate
from ovdet.engine.checkpoints import find_last
from ovdet.engine.config import to_plain
from ovdet.engine.hooks import CheckpointHook, ProgressHook
from ovdet.engine.loops import MeasureLoop, TrainLoop
from ovdet.engine.optim import build_optimizer, build_schedulers
from ovdet.engine.settings import OptimSettings, TrainSettings, ValSettings, section
from ovdet.engine.tracks import make_tracks
from ovdet.registry import build
from ovdet.structures import InputError

_LEAN_HOOKS = {
    "runtime_info": None,
    "timer": None,
    "sampler_seed": None,
    "logger": None,
    "checkpoint": None,
    "param_scheduler": {"type": "ParamSchedulerHook"},
}


class ReadyRunner(Runner):  # type: ignore[misc]
    """A Runner whose model arrives with its weights in place."""

    def _init_model_weights(self) -> None:
        """Leave the weights alone: mmengine's way would reset towers that came with theirs."""

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Say nothing: asking compilers for their versions takes a second of every start."""


def build_runner(
    config: Config,
    work_dir: str | Path,
    *,
    train: bool = True,
    resume: bool = False,
    amp: bool = False,
    seed: int | None = None,
) -> Runner:
    """Build everything a config names and hand it to mmengine's Runner.

    Args:
        config: Sections ``model``, ``train`` and ``optim``, ``val``, and optionally ``hooks`` and
            ``threads``, how many CPU threads a process may use.
        work_dir: Where log and checkpoints go.
        train: Build what training needs; else only measuring is possible.
        resume: Continue from the last checkpoint in ``work_dir`` where there is one.
        amp: Mixed precision; needs a GPU.
        seed: Replaces the config's ``seed``.

    Returns:
        ``train()`` trains; ``val()`` measures. ``train_loop.metrics`` holds what was measured last.

    Raises:
        InputError: If a section is missing or cannot be used.
        BuildError: If an entry cannot become an object; the message opens with its path.
    """
    seed = _seed(config, seed)
    if "model" not in config:
        raise InputError("the config must have a section 'model', a dict")
    if threads := config.get("threads"):
        torch.set_num_threads(threads)
    folder = Path(work_dir)
    checkpoint = _checkpoint_of(folder, resume=resume) if train else None
    set_random_seed(seed)
    make_tracks(config)
    distributed = _join_processes()
    model = build(to_plain(config.model), "model")
    parts = _measuring(config, required=not train)
    if train:
        parts |= _training(config, model, seed, checkpoint, amp=amp)
    own = build(to_plain(config.get("hooks", [])), "hooks")
    parts["custom_hooks"] = [*own, *parts.get("custom_hooks", [])]
    runner = ReadyRunner(
        model=_wrap(model, config) if distributed else model,
        work_dir=str(folder),
        **parts,
        default_hooks=_LEAN_HOOKS,
        launcher="pytorch" if distributed else "none",
        log_level="WARNING",
        randomness={"seed": seed},
        experiment_name=f"{folder.name}-{time.monotonic_ns()}",
        cfg=config,
    )
    if is_main_process():
        for target in (runner.logger, *runner.logger.handlers):
            target.setLevel("INFO")  # from here on what is said is ours
    return runner


def _training(
    config: Config, model: nn.Module, seed: int, checkpoint: Path | None, *, amp: bool
) -> dict[str, Any]:
    train: TrainSettings = section(config, "train", TrainSettings)
    optim: OptimSettings = section(config, "optim", OptimSettings)
    optimizer = build_optimizer(model, optim, amp=amp)
    loader = DataLoader(
        train.dataset,
        **_drawing(train, seed),
        num_workers=train.num_workers,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(seed),  # else each start draws a global number
    )
    hooks = [
        ProgressHook(train.log_interval),
        CheckpointHook(train.checkpoint_interval, train.keep),
    ]
    return {
        "train_dataloader": loader,
        "train_cfg": {
            "type": TrainLoop,
            "max_iters": train.iters,
            "val_interval": train.val_interval,
            "resume": None if checkpoint is None else str(checkpoint),
        },
        "optim_wrapper": optimizer,
        "param_scheduler": build_schedulers(optimizer, optim, train.iters),
        "custom_hooks": hooks,
    }


def _drawing(train: TrainSettings, seed: int) -> dict[str, Any]:
    """Return how a loader draws: samples of one data set, or batches of several."""
    place = {"rank": get_rank(), "world": get_world_size()}
    if isinstance(train.dataset, MultiSource):
        sampler = SourceSampler(train.dataset, seed, batch_size=train.batch_size, **place)
        return {"batch_sampler": sampler}
    size = None if getattr(train.dataset, "endless", False) else len(train.dataset)
    return {"batch_size": train.batch_size, "sampler": TrainSampler(size, seed, **place)}


def _measuring(config: Config, *, required: bool) -> dict[str, Any]:
    if not required and config.get("val") is None:
        return {}
    val: ValSettings = section(config, "val", ValSettings)
    loader = DataLoader(
        val.dataset,
        batch_size=val.batch_size,
        sampler=DefaultSampler(val.dataset, shuffle=False, seed=0),
        num_workers=val.num_workers,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(0),
    )
    return {
        "val_dataloader": loader,
        "val_cfg": {"type": MeasureLoop},
        "val_evaluator": Evaluator(list(val.metrics)),
    }


def _seed(config: Config, seed: int | None) -> int:
    chosen = config.get("seed", 0) if seed is None else seed
    if type(chosen) is not int or not 0 <= chosen < 2**32:
        raise InputError(f"seed must be a whole number from 0 to 2**32 - 1, got {chosen!r}")
    return chosen


def _checkpoint_of(folder: Path, *, resume: bool) -> Path | None:
    found = find_last(folder)
    if found is not None and not resume:
        raise InputError(
            f"{folder}: holds the checkpoints of an earlier run; continue it with --resume, "
            "or name another --work-dir"
        )
    return found


def _join_processes() -> bool:
    """Join the other processes where torchrun started several; tell whether it did."""
    if "LOCAL_RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return False
    if torch.distributed.is_initialized():
        return True
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    atexit.register(_leave_processes)
    return True


def _leave_processes() -> None:
    """Join gloo's threads: a process that ends while they run may abort."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _wrap(model: nn.Module, config: Config) -> MMDistributedDataParallel:
    local = int(os.environ["LOCAL_RANK"])
    devices = [local] if torch.cuda.is_available() else None  # the CPU has no numbers
    return MMDistributedDataParallel(
        module=model.to(get_device()),
        device_ids=devices,
        broadcast_buffers=False,
        find_unused_parameters=bool(config.get("find_unused_parameters", False)),
    )
