"""Batcher: one thread owns the model; what is asked of it at the same time is answered together."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Kind = TypeVar("Kind", bound=Hashable)
Item = TypeVar("Item")


@dataclass(eq=False)
class _Job(Generic[Kind, Item]):
    kind: Kind
    item: Item
    future: "Future[Any]" = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)


class Batcher(Generic[Kind, Item]):
    """Answers items in the order they come, those of one kind together.

    The oldest item is always in the next batch, so no kind waits for ever; those of its kind join
    it, however late they came. Where a batch fails its items are tried one by one, so that one of
    them cannot spoil the others.

    Args:
        work: (kind, items) to one answer an item; called in one thread only, which starts with the
            first item.
        most: Most items of a batch, at least 1.
        wait: How long an idle worker waits for more of the first item's kind, s.
        tell: Is told, after each batch, how many items it had and how long it took, s.
    """

    def __init__(
        self,
        work: Callable[[Kind, list[Item]], Sequence[Any]],
        *,
        most: int,
        wait: float,
        tell: Callable[[int, float], None],
    ) -> None:
        self._work = work
        self._most = most
        self._wait = wait
        self._tell = tell
        self._jobs: deque[_Job[Kind, Item]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, kind: Kind, item: Item) -> "Future[Any]":
        """Queue an item; return what will hold its answer. Cancelling that takes it back.

        Raises:
            RuntimeError: If the batcher is closed.
        """
        job = _Job(kind, item)
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed and takes nothing more")
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ovdet-model", daemon=True)
                self._thread.start()
            self._changed.notify()
        return job.future

    def close(self) -> None:
        """Answer what was queued, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (jobs := self._next()) is not None:
            # Those whose asker has gone meanwhile are left out.
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if running:
                self._answer(running)

    def _next(self) -> list[_Job[Kind, Item]] | None:
        """Wait for items; return the oldest with others of its kind, or None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return None
            first = self._jobs[0]
            left = first.arrived + self._wait - time.monotonic()
            self._changed.wait_for(lambda: self._closed or self._full(first.kind), max(left, 0))
            taken = [job for job in self._jobs if job.kind == first.kind][: self._most]
            chosen = set(taken)
            self._jobs = deque(job for job in self._jobs if job not in chosen)
            return taken

    def _full(self, kind: Kind) -> bool:
        return sum(job.kind == kind for job in self._jobs) >= self._most

    def _answer(self, jobs: list[_Job[Kind, Item]]) -> None:
        start = time.perf_counter()
        try:
            answers = self._work(jobs[0].kind, [job.item for job in jobs])
            pairs = list(zip(jobs, answers, strict=True))
        except Exception as error:  # noqa: BLE001 - it reaches whoever waits for the answer
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._answer([job])
            return
        self._tell(len(jobs), time.perf_counter() - start)
        for job, answer in pairs:
            job.future.set_result(answer)
