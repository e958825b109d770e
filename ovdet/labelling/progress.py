"""How far the work is: one line, written over on a terminal; now and then a line in a log."""

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

_WINDOW = 60.0  # s over which the rate is taken: a slow start or a pause is soon forgotten
_SHOWN, _LOGGED = 0.2, 30.0  # s between two looks at a terminal, two lines of a log


class Progress:
    """Counts pictures and tells the rate and the time left.

    Args:
        total: Pictures of the plan.
        done: Those done before this run.
        stream: Where to; standard error when None.
        clock: Gives seconds.
    """

    def __init__(
        self,
        total: int,
        done: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._total, self._done, self._bad = total, done, 0
        self._live = self._stream.isatty()
        self._told = clock()
        self._past: deque[tuple[float, int]] = deque()  # from the first result on: loading is none

    def add(self, done: int, bad: int) -> None:
        """Count pictures that were done, and how many of them were bad."""
        self._done += done
        self._bad += bad
        now = self._clock()
        self._past.append((now, self._done))
        while len(self._past) > 2 and now - self._past[1][0] >= _WINDOW:
            self._past.popleft()
        if now - self._told >= (_SHOWN if self._live else _LOGGED):
            self._told = now
            self._write(str(self))

    def say(self, text: str) -> None:
        """Write a line that stays."""
        end = "\x1b[K\n" if self._live else "\n"
        self._stream.write(f"{self._back}{text}{end}")
        self._stream.flush()

    def close(self) -> None:
        """Write the last state; it stays."""
        self.say(str(self))

    def __str__(self) -> str:
        rate = self.rate
        parts = [f"{self._done:,} of {self._total:,} pictures"]
        if rate:
            parts.append(f"{rate:.3g} a second")
        if rate and self._done < self._total:
            parts.append(f"{clock_time((self._total - self._done) / rate)} left")
        if self._bad:
            parts.append(f"{self._bad:,} bad")
        return ", ".join(parts)

    @property
    def rate(self) -> float:
        """Pictures a second, of late; 0 while nothing is known."""
        if not self._past:
            return 0.0
        (began, before), (now, done) = self._past[0], self._past[-1]
        return (done - before) / (now - began) if now > began else 0.0

    @property
    def _back(self) -> str:
        return "\r" if self._live else ""

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text}\x1b[K" if self._live else f"{text}\n")
        self._stream.flush()


def clock_time(seconds: float) -> str:
    """Return a duration as ``0:07``, ``12:34`` or ``2:03:04``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
