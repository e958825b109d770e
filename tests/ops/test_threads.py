import threading

import pytest
import torch

from ovdet.ops.threads import each, shares


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_the_shares_are_the_whole(count, threads):
    parts = shares(count)
    assert [i for part in parts for i in range(count)[part]] == list(range(count))
    assert len(parts) <= threads


@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_piece_is_done_without_gradients(count, threads):  # noqa: ARG001 - sets them
    done = []
    each(lambda i: done.append((i, torch.is_grad_enabled())), range(count), torch.device("cpu"))
    assert sorted(done) == [(i, False) for i in range(count)]


@pytest.mark.parametrize("inference", [True, False])
def test_a_piece_is_done_in_its_callers_mode(inference, threads):  # noqa: ARG001 - sets them
    modes = []
    with torch.inference_mode(inference):
        each(
            lambda _: modes.append(torch.is_inference_mode_enabled()), range(3), torch.device("cpu")
        )
    assert modes == [inference] * 3


def test_a_piece_keeps_to_its_thread_and_the_number_stays(threads):
    within = []
    each(lambda _: within.append(torch.get_num_threads()), range(4), torch.device("cpu"))
    assert within == [1] * 4
    fresh = threading.Thread(target=lambda: within.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert torch.get_num_threads() == within[-1] == threads


def test_pieces_run_at_once_and_errors_come_out():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    meeting = threading.Barrier(2, timeout=60)
    each(lambda _: meeting.wait(), range(2), torch.device("cpu"))
    with pytest.raises(ZeroDivisionError):
        each(lambda i: 1 // i, range(2), torch.device("cpu"))
    torch.set_num_threads(before)
