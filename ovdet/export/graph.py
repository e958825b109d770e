"""Graph: a model as a function of pictures and embedded names, with all that is known about it."""

from typing import Any

import torch
from torch import Tensor, nn


class Graph(nn.Module):
    """What of a model is exported: pictures and names in, answers out.

    Attributes:
        inputs: The names of what ``forward`` takes.
        outputs: The names of what it returns.
        stride: Both sides of the pictures are multiples of it, px.
    """

    inputs: tuple[str, ...] = ("images", "sizes", "text", "threshold")
    outputs: tuple[str, ...]
    stride: int = 32

    def example(self, text: Tensor) -> tuple[Tensor, ...]:
        """Return inputs that it can be traced with; ``text`` is [C, D], C above 1."""
        height, width = 5 * self.stride, 7 * self.stride  # no two axes alike
        known = {
            "images": torch.linspace(0, 1, 6 * height * width).view(2, 3, height, width),
            "sizes": torch.tensor([[height, width], [height - 3, width - 5]]),
            "text": text,
            "threshold": torch.tensor(0.3),
        }
        return tuple(known[name] for name in self.inputs)


class Baked(Graph):
    """A graph that has its names inside.

    Args:
        graph: One that takes them.
        text: [C, D], unit norm.
    """

    text: Tensor

    def __init__(self, graph: Graph, text: Tensor) -> None:
        super().__init__()
        self.whole: Any = graph  # not "graph": a traced module has one of its own
        self.register_buffer("text", text)
        self.inputs = tuple(name for name in graph.inputs if name != "text")
        self.outputs = graph.outputs
        self.stride = graph.stride

    def forward(
        self, images: Tensor, sizes: Tensor | None = None, threshold: Tensor | None = None
    ) -> Any:
        """Return what the graph returns."""
        if sizes is None:
            return self.whole(images, self.text)
        return self.whole(images, sizes, self.text, threshold)
