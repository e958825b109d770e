"""Time the token-wise maximum similarity beside its formula, and weigh what each keeps.

python tools/benchmarks/similarity.py [--pairs 128] [--patches 49] [--words 77] [--repeats 5]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Compare = Callable[["Tensor", "Tensor", "Tensor"], tuple["Tensor", "Tensor"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where less is kept for the backward pass, 1 where not."""
    parser = argparse.ArgumentParser(
        prog="similarity.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--pairs", type=int, default=128, metavar="B")
    parser.add_argument("--patches", type=int, default=49, metavar="P")
    parser.add_argument("--words", type=int, default=77, metavar="T")
    parser.add_argument("--width", type=int, default=256, metavar="D")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)

    import torch

    from ovdet.ops import unit_norm

    generator = torch.Generator().manual_seed(0)
    shapes = [(options.pairs, length, options.width) for length in (options.patches, options.words)]
    patches, words = (
        unit_norm(torch.randn(shape, generator=generator)).to(options.device).requires_grad_()
        for shape in shapes
    )
    lengths = torch.randint(1, options.words + 1, (options.pairs, 1), generator=generator)
    mask = (torch.arange(options.words) < lengths).to(options.device)
    return measure((patches, words, mask), options.repeats)


def by_formula(patches: "Tensor", words: "Tensor", mask: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Return both similarities from all products at once."""
    import torch

    products = torch.einsum("bpd,ntd->bpnt", patches, words)
    s_image = products.masked_fill(~mask, -torch.inf).amax(dim=3).mean(dim=1)
    s_text = (products.amax(dim=1) * mask).sum(dim=2) / mask.sum(dim=1)
    return s_image, s_text


def by_places(patches: "Tensor", words: "Tensor", mask: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Return both similarities from the library."""
    from ovdet.ops import token_max_sim

    return token_max_sim(patches, words, word_mask=mask)


def measure(given: tuple["Tensor", "Tensor", "Tensor"], repeats: int) -> int:
    """Compare both in turn: seconds of a step, bytes kept between its two halves."""
    ways: dict[str, Compare] = {"formula": by_formula, "places": by_places}
    kept = {name: _kept(way, given) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats):
        for name in list(ways)[:: 1 if turn % 2 else -1]:  # drift hits both alike
            times[name].append(_time(ways[name], given))
    for name, seconds in times.items():
        print(
            f"{name}: median {statistics.median(seconds) * 1000:.0f} ms forward and backward, "
            f"{kept[name] / 2**20:.1f} MiB kept in between"
        )
    ratios = [mine / other for mine, other in zip(times["places"], times["formula"], strict=True)]
    print(f"places / formula: {statistics.median(ratios):.2f} of the time, {repeats} pairs")
    return 0 if kept["places"] < kept["formula"] else 1


def _kept(way: Compare, given: tuple["Tensor", "Tensor", "Tensor"]) -> int:
    """Return the bytes of distinct memory that the backward pass will read."""
    import torch

    stores: dict[int, int] = {}

    def note(tensor: "Tensor") -> "Tensor":
        store = tensor.untyped_storage()
        stores[store.data_ptr()] = store.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        both = way(*given)
    total = sum(stores.values())
    del both  # its graph held the memory, so that no place was used twice
    return total


def _time(way: Compare, given: tuple["Tensor", "Tensor", "Tensor"]) -> float:
    import torch

    start = time.perf_counter()
    s_image, s_text = way(*given)
    (s_image.diagonal().sum() + s_text.diagonal().sum() - s_image.mean() - s_text.mean()).backward()
    if given[0].is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
