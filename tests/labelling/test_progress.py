import io

import pytest

from ovdet.labelling.progress import Progress, clock_time


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_rate_and_time_left_follow_from_what_was_done():
    clock = Clock()
    progress = Progress(1000, 100, io.StringIO(), clock)
    clock.now = 50  # loading
    progress.add(1, 0)
    assert str(progress) == "101 of 1,000 pictures"
    clock.now = 60
    progress.add(99, 2)
    assert progress.rate == pytest.approx(9.9)
    assert str(progress) == "200 of 1,000 pictures, 9.9 a second, 1:21 left, 2 bad"


def test_a_pause_is_forgotten():
    clock = Clock()
    progress = Progress(1000, 0, io.StringIO(), clock)
    for now in (0, 1, 1000, 1001, 1061, 1062):
        clock.now = now
        progress.add(10, 0)
    assert progress.rate == pytest.approx(20 / 61)


def test_a_terminal_has_one_line():
    clock, terminal = Clock(), Terminal()
    progress = Progress(3, 0, terminal, clock)
    for now in (1, 1.1, 2):
        clock.now = now
        progress.add(1, 0)
    progress.say("a word")
    progress.close()
    said = terminal.getvalue().replace("\x1b[K", "")
    assert said.split("\n")[0].split("\r") == [
        "",
        "1 of 3 pictures",
        "3 of 3 pictures, 2 a second",
        "a word",
    ]
    assert said.split("\n")[1:] == ["\r3 of 3 pictures, 2 a second", ""]


def test_a_log_has_a_line_now_and_then():
    clock, log = Clock(), io.StringIO()
    progress = Progress(100, 0, log, clock)
    for now in range(1, 71):
        clock.now = now
        progress.add(1, 0)
    assert log.getvalue() == (
        "30 of 100 pictures, 1 a second, 1:10 left\n60 of 100 pictures, 1 a second, 0:40 left\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (7384, "2:03:04")]
)
def test_durations(seconds, text):
    assert clock_time(seconds) == text
