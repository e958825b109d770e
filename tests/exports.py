"""What is exported in tests, and what it is asked about."""

import numpy as np
import torch
from contracts import ROOT, build_tiny

from ovdet.apis.model import Model, Settings
from ovdet.data.stickers import SceneSpec, render_scene

SHOWN = ("banana", "cup", "umbrella")


def scene(seed, side=200):
    """Return a scene of three large stickers."""
    sizes = (side // 5, 3 * side // 10)
    spec = SceneSpec(side=side, objects=(3, 3), sizes=sizes, clutter=(0, 0), occlusion=0)
    return render_scene(np.random.default_rng(seed), spec, SHOWN)


def small_model(config, **settings):
    """Return a config's model, narrow, with random weights that are the same every time."""
    own = {"short": 64, "max": 96, "threshold": 0.02} | settings
    detector = build_tiny(ROOT / f"configs/{config}.py").model
    return Model(detector, Settings(**own), torch.device("cpu"), config.split("/")[-1])
