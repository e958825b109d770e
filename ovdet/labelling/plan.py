"""The plan of a labelling: which pictures, what is asked of which model, written before the work.

A run that finds a plan goes on with it, and refuses to if it is asked for anything else.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ovdet.structures import InputError, Vocabulary, atomic_write, read_json

PLAN, PARTS, BAD, SUMMARY = "plan.json", "parts", "bad.txt", "summary.html"
COCO, YOLO, VOC, FIFTYONE = "coco.json", "yolo", "voc", "fiftyone"
STUDIO, STUDIO_VIEW = "label_studio.json", "label_studio.xml"
_MADE = (PARTS, BAD, SUMMARY, COCO, YOLO, VOC, FIFTYONE, STUDIO, STUDIO_VIEW)
_LOCK = ".lock"


@dataclass(frozen=True)
class Question:
    """What is asked about every picture.

    Attributes:
        vocabulary: The classes.
        threshold: Least score, in [0, 1]; the model's own when None.
        top_k: Most objects a picture, at least 1.
    """

    vocabulary: Vocabulary
    threshold: float | None = None
    top_k: int = 100


@dataclass(frozen=True)
class Task:
    """What is to be labelled by whom; two runs with the same task may share a folder.

    Attributes:
        root: The folder that holds all pictures, absolute.
        pictures: Their paths below it with ``/``, sorted, each once.
        question: What is asked.
        model: What the model is called.
        checkpoint: Its weights' file with size and time, empty where it brings its own.
        batch: Pictures that pass the model together, at least 1.
    """

    root: Path
    pictures: tuple[str, ...]
    question: Question
    model: str
    checkpoint: str = ""
    batch: int = 1

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise InputError(f"the batch must be of at least 1 picture, got {self.batch}")
        if not self.pictures:
            raise InputError(f"{self.root}: no pictures to label")

    @classmethod
    def of(
        cls,
        files: Sequence[Path],
        question: Question,
        model: str,
        *,
        checkpoint: Path | None = None,
        batch: int = 1,
    ) -> Self:
        """Return the task of files, at least one, in any order.

        Raises:
            InputError: If there is no file or the batch is below 1.
            OSError: If the checkpoint is missing.
        """
        paths = sorted({os.path.abspath(file) for file in files})  # noqa: PTH100 - links stay links
        if not paths:
            raise InputError("no pictures to label")
        root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120
        below = tuple(Path(path).relative_to(root).as_posix() for path in paths)
        return cls(root, below, question, model, _stamp(checkpoint), batch)

    def path(self, index: int) -> Path:
        """Return the path of a picture."""
        return self.root / self.pictures[index]

    def facts(self) -> dict[str, Any]:
        """Return what makes it this task, as JSON holds it."""
        classes = {key: value for key, value in asdict(self.question.vocabulary).items() if value}
        facts = {
            "folder": str(self.root),
            "pictures": self.pictures,
            "classes": classes,
            "threshold": self.question.threshold,
            "top-k": self.question.top_k,
            "model": self.model,
            "checkpoint": self.checkpoint,
            "batch-size": self.batch,
        }
        held: dict[str, Any] = json.loads(json.dumps(facts))
        return held


@dataclass(frozen=True)
class Plan:
    """A task and the folder in which it is done.

    Attributes:
        out: The folder.
        task: What is to be done.
        id: Names this beginning: parts of an earlier one are not its own.
        threads: Threads of torch that each worker has. It is part of the plan because sums may
            differ in their last digit with the number of threads.
    """

    out: Path
    task: Task
    id: str
    threads: int

    @property
    def parts(self) -> list[Path]:
        """The files of results, oldest first."""
        return sorted((self.out / PARTS).glob(f"{self.id}-*.jsonl"))


def begin(out: Path, task: Task, *, threads: int, restart: bool = False) -> Plan:
    """Return the plan of a folder: the one that is there, or a new one.

    Args:
        out: The folder; it is made if it is missing.
        task: What is to be done.
        threads: Threads of torch a worker, at least 1, for a new plan.
        restart: Forget what is there of a labelling and begin anew.

    Raises:
        InputError: If the folder holds another task's plan, a damaged one, or files but no plan.
        OSError: If it cannot be written.
    """
    path = out / PLAN
    if path.exists() and not restart:
        stored = _read(path)
        _compare(out, stored["task"], task.facts())
        return Plan(out, task, stored["id"], stored["threads"])
    if not path.exists() and out.is_dir():
        others = [one.name for one in out.iterdir() if not one.name.startswith(".")]
        if others:
            raise InputError(f"{out}: is not empty and holds no labelling, name another folder")
    plan = Plan(out, task, uuid.uuid4().hex[:12], threads)
    facts = task.facts()
    record = {"id": plan.id, "threads": threads, "sha256": _sum(facts), "task": facts}
    atomic_write(path, (json.dumps(record, indent=1) + "\n").encode())
    _sweep(out)
    return plan


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the lock goes with the process, however that ends.

    Raises:
        InputError: If another run is at work there.
        OSError: If the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{out}: another run is labelling there") from error
    try:
        yield
    finally:
        lock.release()


def _sweep(out: Path) -> None:
    """Remove what an earlier beginning left: the plan is written, so a kill here does no harm."""
    for path in (out / name for name in _MADE):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    record = read_json(path)
    known = isinstance(record, dict) and {"id", "threads", "sha256", "task"} <= set(record)
    if not known or record["sha256"] != _sum(record["task"]):
        raise InputError(f"{path}: is damaged; begin anew with --restart")
    return dict(record)


def _sum(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _compare(out: Path, stored: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, now in asked.items():
        then = stored.get(name)
        if then != now:
            what = f"{name} {_brief(then)}, this run asks for {_brief(now)}"
            raise InputError(
                f"{out}: was begun with {what}; ask as before to go on, name another folder, or "
                "begin anew with --restart"
            )


def _brief(value: Any) -> str:
    if isinstance(value, dict):  # a vocabulary
        value = value.get("names", [])
    if not isinstance(value, list):
        return "the model's own" if value is None else repr(value)
    shown = ", ".join(repr(name) for name in value[:3])
    digest = hashlib.sha256(json.dumps(value).encode()).hexdigest()[:6]
    return f"{shown} ... ({len(value):,}, sum {digest})" if len(value) > 3 else f"{shown}"


def _stamp(checkpoint: Path | None) -> str:
    if checkpoint is None:
        return ""
    facts = checkpoint.stat()
    return f"{checkpoint.resolve()} ({facts.st_size} bytes, {facts.st_mtime_ns})"
