"""The sections of a config that say how to run, as records; a misspelt key is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ovdet.engine.config import to_plain
from ovdet.registry import build
from ovdet.structures import InputError


@dataclass(frozen=True)
class TrainSettings:
    """Section ``train``.

    Attributes:
        dataset: What is learnt from.
        iters: Optimizer steps, at least 1.
        batch_size: Samples a process and step, at least 1; of each source that gives no other.
        num_workers: Loader processes; 0 loads in the training process.
        val_interval: Steps between two measurements; None measures once, at the end.
        checkpoint_interval: Steps between two checkpoints; the last step always makes one.
        keep: How many checkpoints stay on disk, at least 1.
        log_interval: Steps between two log lines.
    """

    dataset: Any
    iters: int
    batch_size: int = 8
    num_workers: int = 0
    val_interval: int | None = None
    checkpoint_interval: int = 200
    keep: int = 2
    log_interval: int = 20

    def __post_init__(self) -> None:
        for name in ("iters", "batch_size", "checkpoint_interval", "keep", "log_interval"):
            _at_least(name, getattr(self, name), 1)
        _at_least("num_workers", self.num_workers, 0)
        if self.val_interval is not None:
            _at_least("val_interval", self.val_interval, 1)


@dataclass(frozen=True)
class ValSettings:
    """Section ``val``.

    Attributes:
        dataset: What is measured on; has a last sample.
        metrics: What is measured.
        batch_size: Samples a process and step, at least 1.
        num_workers: Loader processes; 0 loads in the measuring process.
    """

    dataset: Any
    metrics: Sequence[Any]
    batch_size: int = 8
    num_workers: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.metrics, str) or any(isinstance(m, str) for m in self.metrics):
            raise InputError(f"metrics must be a list of metrics, got {self.metrics!r}")
        _at_least("batch_size", self.batch_size, 1)
        _at_least("num_workers", self.num_workers, 0)


@dataclass(frozen=True)
class OptimSettings:
    """Section ``optim``; its ``type`` is ``name`` here.

    Attributes:
        name: ``AdamW``, ``SGD`` or ``LAMB``.
        lr: Learning rate after the warm-up, above 0.
        weight_decay: At least 0.
        no_decay_norm_bias: Spare vectors and scalars (norms, biases, scales) the decay.
        momentum: Of SGD.
        betas: Of AdamW and LAMB.
        eps: Of AdamW and LAMB: what keeps a step finite where gradients vanish, above 0.
        clip: Largest norm of the whole gradient; None does not clip.
        warmup: Steps over which the rate rises from a thousandth, at least 0.
        schedule: ``cosine`` (to a hundredth at the end), ``constant``, or ``steps``.
        precision: ``float32``, or ``bfloat16`` for what autocast runs in it, on CPU and GPU alike.
        milestones: For ``steps``: after which steps the rate falls to a tenth.
        rates: What ``lr`` is multiplied by for parts of the model, by the start of their
            parameters' names, as ``{"text": 0.04}``; the longest start counts, and 0 means that a
            part does not learn.
    """

    name: str
    lr: float
    weight_decay: float = 0.0
    no_decay_norm_bias: bool = True
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip: float | None = None
    warmup: int = 0
    schedule: str = "cosine"
    precision: str = "float32"
    milestones: tuple[int, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in {"AdamW", "SGD", "LAMB"}:
            raise InputError(f"type must be AdamW, SGD or LAMB, got {self.name!r}")
        if self.schedule not in {"cosine", "constant", "steps"}:
            raise InputError(f"schedule must be cosine, constant or steps, got {self.schedule!r}")
        if self.precision not in {"float32", "bfloat16"}:
            raise InputError(f"precision must be float32 or bfloat16, got {self.precision!r}")
        if not (self.lr > 0 and self.weight_decay >= 0 and self.eps > 0):
            raise InputError(
                "lr must be above 0 and weight_decay at least 0, and eps above 0, "
                f"got {self.lr}, {self.weight_decay}, {self.eps}"
            )
        if self.clip is not None and not self.clip > 0:
            raise InputError(f"clip must be above 0, got {self.clip}")
        for part, rate in self.rates.items():
            if not rate >= 0:
                raise InputError(f"rates must be at least 0, got {rate} for {part!r}")
        _at_least("warmup", self.warmup, 0)


def section(config: Mapping[str, Any], name: str, kind: type) -> Any:
    """Build one section of a config, its data sets and metrics included.

    Args:
        config: The whole config.
        name: ``train``, ``val`` or ``optim``.
        kind: The record to build.

    Raises:
        InputError: If the section is missing or not a dict.
        BuildError: If a key is misspelt, missing or refused.
    """
    entries = to_plain(config.get(name))
    if not isinstance(entries, dict):
        raise InputError(f"the config must have a section '{name}', a dict")
    if "type" in entries:
        entries["name"] = entries["type"]
    return build(entries | {"type": kind}, name)


def _at_least(name: str, value: Any, least: int) -> None:
    if type(value) is not int or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
