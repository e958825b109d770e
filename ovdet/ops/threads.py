"""Work side by side on the CPU, for loops of libraries that use one thread."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")


def each(work: Callable[[Piece], None], pieces: Sequence[Piece], device: torch.device) -> None:
    """Do every piece, on as many threads as torch has where ``device`` is the CPU; no gradients.

    Torch lets go of Python's lock inside its operators, so the pieces do run at once. Inside of
    one an operator keeps to its thread: teams of teams would wait for each other.
    """
    inference = torch.is_inference_mode_enabled()

    def one(piece: Piece) -> None:
        with torch.inference_mode(inference), torch.no_grad():  # threads inherit neither
            work(piece)

    threads = torch.get_num_threads() if device.type == "cpu" else 1
    if threads == 1 or len(pieces) <= 1:
        for piece in pieces:
            one(piece)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(one, pieces))
    finally:
        torch.set_num_threads(threads)  # each thread has its number, but new ones take the latest


def shares(count: int) -> list[slice]:
    """Split ``count`` things among torch's threads; nothing into nothing."""
    step = max(-(-count // torch.get_num_threads()), 1)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
