"""Workers on this machine: processes with a model each, handed one block after the other.

A worker whose process ends (killed, out of memory, a crash in a decoder) is replaced and its block
given to another; a picture that two workers died of is bad.
"""

import multiprocessing
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from ovdet.labelling.labeller import Labeller, Make
from ovdet.labelling.parts import Block, Record
from ovdet.labelling.plan import Plan, Question
from ovdet.structures import InputError

_TRIES = 2  # workers that may die of a block before it is given up
_PATIENCE = 5.0  # s for workers to end by themselves
_HOPELESS = 5  # workers that may die one after the other with nothing done in between


def label_here(
    plan: Plan, blocks: Sequence[Block], make: Make, count: int, say: Callable[[str], None]
) -> Generator[list[Record], None, None]:
    """Yield the records of each block as they are done; closing it ends the workers.

    Args:
        plan: The plan.
        blocks: What is to be done, in any order.
        make: Gives the worker of a number its model; it travels to another process.
        count: Workers, at least 1.
        say: Told when a worker ends.

    Raises:
        InputError: If a worker cannot load its model.
        ChildProcessError: If workers end one after the other.
    """
    pool = _Pool(plan, blocks, make, say)
    try:
        for number in range(min(count, len(blocks))):
            pool.start(number)
        while pool.waiting or pool.busy:
            yield from pool.hear()
    finally:
        pool.end()


class _Worker:
    """A process, the pipe to it, and the block it has."""

    def __init__(self, number: int, process: Any, pipe: Connection) -> None:
        self.number = number
        self.process = process
        self.pipe = pipe
        self.ready = False
        self.block: Block = ()


class _Pool:
    def __init__(
        self, plan: Plan, blocks: Sequence[Block], make: Make, say: Callable[[str], None]
    ) -> None:
        self.waiting = deque(blocks)
        self._plan = plan
        self._make = make
        self._say = say
        self._context = multiprocessing.get_context("spawn")  # torch's threads outlive no fork
        self._workers: list[_Worker] = []
        self._deaths: Counter[Block] = Counter()
        self._in_a_row = 0

    @property
    def busy(self) -> bool:
        """Whether a worker has a block."""
        return any(worker.block for worker in self._workers)

    def start(self, number: int) -> None:
        """Start the worker of a number."""
        here, there = self._context.Pipe()
        facts = (there, self._make, self._plan.task.question, number, self._plan.threads)
        process = self._context.Process(target=work, args=facts, daemon=True)
        with _without_interrupts():  # Ctrl-C reaches the whole group; only we answer it
            process.start()
        there.close()  # else we would not see the worker's end
        self._workers.append(_Worker(number, process, here))

    def hear(self) -> Iterator[list[Record]]:
        """Wait until some worker has something to say; yield what was done."""
        speaking = wait([worker.pipe for worker in self._workers])
        for worker in [worker for worker in self._workers if worker.pipe in speaking]:
            try:
                kind, told = worker.pipe.recv()
            except (EOFError, OSError):
                yield from self._bury(worker)
                continue
            if kind == "unable":
                raise InputError(told)
            if kind == "done":
                self._in_a_row = 0
                worker.block = ()
                yield told
            worker.ready = True
            self._hand_over(worker)

    def _hand_over(self, worker: _Worker) -> None:
        if not self.waiting:
            return
        worker.block = self.waiting.popleft()
        pictures = [(index, str(self._plan.task.path(index))) for index in worker.block]
        try:
            worker.pipe.send(pictures)
        except OSError:  # it has just ended; the next wait will tell
            return

    def _bury(self, worker: _Worker) -> Iterator[list[Record]]:
        """Replace a worker that ended; yield the records of a picture that is given up."""
        worker.process.join()
        self._workers.remove(worker)
        worker.pipe.close()
        why = _reason(worker.process.exitcode)
        self._in_a_row += 1
        if not worker.ready:
            raise ChildProcessError(f"a worker ended before its model was loaded: {why}")
        if self._in_a_row >= _HOPELESS:
            raise ChildProcessError(
                f"{_HOPELESS} workers ended one after the other ({why}); what is done is kept, "
                "the same command goes on"
            )
        self._say(f"a worker ended ({why}); what it had in hand goes to another")
        yield from self._give_back(worker.block)
        for other in self._workers:
            if other.ready and not other.block:
                self._hand_over(other)
        if self.waiting:
            self.start(worker.number)

    def _give_back(self, block: Block) -> Iterator[list[Record]]:
        if not block:
            return
        self._deaths[block] += 1
        if self._deaths[block] < _TRIES:
            self.waiting.appendleft(block)
        elif len(block) > 1:  # one of them is to blame
            self.waiting.extendleft((index,) for index in reversed(block))
        else:
            reason = f"{_TRIES} workers ended while they labelled it"
            yield [{"index": block[0], "bad": reason}]

    def end(self) -> None:
        """End all workers: what they have in hand was not written, so nothing is lost."""
        for worker in self._workers:
            worker.pipe.close()
        until = time.monotonic() + _PATIENCE
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            worker.process.terminate()
            worker.process.join()


def work(pipe: Connection, make: Make, question: Question, number: int, threads: int) -> None:
    """Label what comes through a pipe until it is closed: the life of a worker.

    Args:
        pipe: Gives lists of (place, path); takes ``("ready", None)``, ``("unable", why)`` and
            ``("done", records)``.
        make: Gives the model.
        question: What is asked.
        number: Of the worker, from 0 on.
        threads: Threads of torch.
    """
    import torch

    torch.set_num_threads(threads)
    try:
        labeller = Labeller(make(number), question)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        pipe.send(("unable", " ".join(str(error).split()) or type(error).__name__))
        return
    try:
        pipe.send(("ready", None))
        while True:
            pipe.send(("done", labeller(pipe.recv())))
    except (EOFError, OSError):  # whoever asked is gone
        return


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Have processes that are started within ignore Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _reason(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"status {code}"
