import threading

import pytest

from ovdet.serving.batcher import Batcher


class Work:
    """Doubles numbers; waits until it may; fails at 13."""

    def __init__(self):
        self.batches = []
        self.entered, self.open = threading.Event(), threading.Event()
        self.open.set()

    def __call__(self, kind, items):
        self.batches.append((kind, list(items)))
        self.entered.set()
        assert self.open.wait(20)
        if 13 in items:
            raise ArithmeticError("13 cannot be doubled")
        return [2 * item for item in items]


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def batcher_of(work):
    made = []

    def batcher_of(most=4, wait=0.0):
        made.append(Batcher(work, most=most, wait=wait, tell=lambda *told: work.told.append(told)))
        return made[-1]

    work.told = []
    yield batcher_of
    work.open.set()
    for batcher in made:
        batcher.close()


def block(work, batcher):
    """Have the worker busy with an item of its own kind."""
    work.open.clear()
    first = batcher.submit("first", 0)
    assert work.entered.wait(20)
    return first


def test_what_comes_while_busy_is_joined_by_kind_oldest_first(work, batcher_of):
    batcher = batcher_of(most=3)
    block(work, batcher)
    futures = [batcher.submit(kind, n) for n, kind in enumerate("abababaa")]
    work.open.set()
    assert [future.result(20) for future in futures] == [2 * n for n in range(8)]
    joined = [("a", [0, 2, 4]), ("b", [1, 3, 5]), ("a", [6, 7])]
    assert work.batches == [("first", [0]), *joined]
    assert [size for size, _ in work.told] == [1, 3, 3, 2]
    assert all(seconds >= 0 for _, seconds in work.told)


def test_an_idle_worker_waits_for_a_full_batch_and_no_longer(work, batcher_of):
    batcher = batcher_of(most=2, wait=20.0)
    futures = [batcher.submit("a", n) for n in range(2)]
    assert [future.result(10) for future in futures] == [0, 2]
    assert work.batches == [("a", [0, 1])]


def test_a_bad_item_spoils_no_other(work, batcher_of):
    batcher = batcher_of()
    block(work, batcher)
    good, bad, other = (batcher.submit("a", n) for n in (1, 13, 2))
    work.open.set()
    assert (good.result(20), other.result(20)) == (2, 4)
    with pytest.raises(ArithmeticError, match="13 cannot be doubled"):
        bad.result(20)
    assert batcher.submit("a", 5).result(20) == 10  # the worker lives on


def test_who_has_gone_is_left_out(work, batcher_of):
    batcher = batcher_of()
    block(work, batcher)
    gone, here = batcher.submit("a", 1), batcher.submit("a", 2)
    alone = batcher.submit("b", 3)
    assert gone.cancel()
    assert alone.cancel()
    work.open.set()
    assert here.result(20) == 4
    assert work.batches[1:] == [("a", [2])]


def test_closing_answers_what_was_queued(batcher_of):
    batcher = batcher_of(wait=20.0)  # which closing cuts short
    futures = [batcher.submit("a", n) for n in range(3)]
    batcher.close()
    assert [future.result(0) for future in futures] == [0, 2, 4]
    with pytest.raises(RuntimeError, match="takes nothing more"):
        batcher.submit("a", 1)


def test_closing_before_anything_came(batcher_of):
    batcher_of().close()


def test_an_answer_too_few_is_an_error(batcher_of, work):
    batcher = batcher_of()
    batcher._work = lambda *_: []
    with pytest.raises(ValueError, match="zip"):
        batcher.submit("a", 1).result(20)
    assert work.told == []
