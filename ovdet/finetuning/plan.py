"""Plan: what is to be learnt, from what, and how."""

from dataclasses import dataclass
from pathlib import Path

from ovdet.structures import InputError

HOW = ("head", "lora", "full")
_STEPS = {"head": 60, "lora": 120, "full": 120}
_KEEP = 0.5


@dataclass(frozen=True)
class Plan:
    """A fine-tuning as its user asks for it.

    Attributes:
        data: COCO file with boxes of the new classes; objects of others may stay unlabelled.
        out: The model's folder, to be made.
        images: Folder of the file's pictures; that of the file when None.
        model: The model to start from, one of ours.
        checkpoint: Its weights, where ``model`` is a config.
        how: ``head`` learns a vector a new class and leaves all else as it is, ``lora`` also
            low-rank changes of trunk and heads, ``full`` all weights of trunk and heads.
        keep: Of ``full``: the start's share in the weights in the end, in [0, 1]; 0.5 when None.
        steps: Optimizer steps, at least 1; by ``how`` when None.
        val: COCO file to measure the new classes on; ``data`` when None.
        val_images: Folder of its pictures; that of the file when None.
        held_out: What retention is measured on: ``@stickers-ov``, rendered, or a COCO file.
        held_out_images: Folder of its pictures; that of the file when None.
        seed: Same seed, same result.

    Raises:
        InputError: If a value is out of its range, or ``out`` is a folder with something in it.
    """

    data: Path
    out: Path
    images: Path | None = None
    model: str = "ovdet-tiny"
    checkpoint: Path | None = None
    how: str = "head"
    keep: float | None = None
    steps: int | None = None
    val: Path | None = None
    val_images: Path | None = None
    held_out: str | None = None
    held_out_images: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.how not in HOW:
            raise InputError(f"how must be one of {HOW}, got {self.how!r}")
        if self.keep is not None and self.how != "full":
            raise InputError(f"keep goes with how 'full', got it with {self.how!r}")
        if self.keep is not None and not 0 <= self.keep <= 1:
            raise InputError(f"keep must be in [0, 1], got {self.keep}")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"steps must be at least 1, got {self.steps}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed must be from 0 to 2**32 - 1, got {self.seed}")
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise InputError(f"{self.out}: must be a folder to be made, or an empty one")

    @property
    def iters(self) -> int:
        """Optimizer steps."""
        return _STEPS[self.how] if self.steps is None else self.steps

    @property
    def start_share(self) -> float:
        """The start's share in the weights in the end; 0 where they are not mixed."""
        if self.how != "full":
            return 0.0
        return _KEEP if self.keep is None else self.keep


def folder_of(file: Path, images: Path | None) -> Path:
    """Return the folder of a COCO file's pictures."""
    return file.parent if images is None else images
