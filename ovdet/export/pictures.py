"""Pictures as graphs take them, and one that is rendered to compare with."""

from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ovdet.apis import Model
from ovdet.apis.inputs import load_picture
from ovdet.data.transforms import Resize
from ovdet.export.graph import Graph
from ovdet.structures import Sample

_LEAST = 2  # multiples of the stride that a side has at least: graphs are traced for such

_THINGS = ("cat", "dog", "pizza", "umbrella", "guitar", "banana", "elephant", "teapot")


class Shown(NamedTuple):
    """A picture as a model sees it.

    Attributes:
        sample: The picture, its px taken as those of the stored file.
        images: [1, 3, H, W], the same as a graph takes it.
    """

    sample: Sample
    images: Tensor


def show(model: Model, graph: Graph, pixels: np.ndarray) -> Shown:
    """Return RGB uint8 [H, W, 3] as a model and its graph see it."""
    sample, settings = load_picture(pixels).to_sample(), model.settings
    if settings.short is not None:
        sample = Resize(settings.short, settings.max)(sample, np.random.default_rng(0))
    size = (sample.image.shape[1], sample.image.shape[2])
    plain = Sample(sample.image, 0, original_size=size)
    if "sizes" in graph.inputs:
        wanted = [max(-(-side // graph.stride), _LEAST) * graph.stride for side in size]
        room = (0, wanted[1] - size[1], 0, wanted[0] - size[0])
        return Shown(plain, F.pad(plain.image[None], room))
    wanted = [max(round(side / graph.stride), _LEAST) * graph.stride for side in size]
    images = plain.image[None]
    if wanted != list(size):
        images = F.interpolate(images, wanted, mode="bilinear", align_corners=False)
    return Shown(plain, images)


def render() -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a picture of stickers, RGB uint8 [H, W, 3], and what may be in it.

    Raises:
        InputError: If the font that stickers are drawn from is missing.
    """
    from ovdet.data.stickers import SceneSpec, render_scene

    spec = SceneSpec(side=160, objects=(5, 5), sizes=(28, 60), clutter=(1, 2))
    scene = render_scene(np.random.default_rng(0), spec, _THINGS)
    return scene.image[:, :136], _THINGS
