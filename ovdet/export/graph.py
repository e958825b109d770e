"""Graph: a model as a function of pictures and embedded names, with all that is known about it."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Graph(nn.Module):
    """What of a model is exported: pictures of one size and names in, answers out.

    Attributes:
        inputs: The names of what ``forward`` takes.
        outputs: The names of what it returns.
        stride: Pictures are padded to multiples of this on the right and below, px; the graph does
            that itself.
    """

    inputs: tuple[str, ...] = ("images", "text", "threshold")
    outputs: tuple[str, ...]
    stride: int = 32
    _SIZES: ClassVar[dict[str, dict[int, str]]] = {
        "images": {0: "batch", 2: "height", 3: "width"},
        "text": {0: "names"},
    }

    def example(self, text: Tensor) -> tuple[Tensor, ...]:
        """Return inputs that it can be traced with; ``text`` is [C, D], C above 1."""
        sides = (4 * self.stride + 5, 5 * self.stride + 7)  # no two sizes alike, none a multiple
        known = {
            "images": torch.linspace(0, 1, 6 * sides[0] * sides[1]).view(2, 3, *sides),
            "text": text,
            "threshold": torch.tensor(0.3),
        }
        return tuple(known[name] for name in self.inputs)

    def sizes(self) -> dict[str, dict[int, str] | None]:
        """Return for each input which of its axes may have any length, by a name for it."""
        return {name: self._SIZES.get(name) for name in self.inputs}


class Baked(Graph):
    """A graph that has its names inside.

    Args:
        graph: One that takes them.
        text: [C, D], unit norm.
    """

    text: Tensor

    def __init__(self, graph: Graph, text: Tensor) -> None:
        super().__init__()
        self.graph: Any = graph
        self.register_buffer("text", text)
        self.inputs = tuple(name for name in graph.inputs if name != "text")
        self.outputs = graph.outputs
        self.stride = graph.stride

    def forward(self, images: Tensor, *rest: Tensor) -> Any:
        """Return what the graph returns."""
        return self.graph(images, self.text, *rest)
