import pytest
import torch
from safetensors.torch import save_file
from squares import CONFIG, write_squares

from ovdet.engine.config import load_config
from ovdet.registry import build


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Return a config and its weights."""
    folder = tmp_path_factory.mktemp("model")
    config, weights = folder / "small.py", folder / "small.safetensors"
    config.write_text(CONFIG)
    torch.manual_seed(0)
    detector = build(load_config(config).to_dict()["model"], "model")
    save_file({k: v.contiguous() for k, v in detector.state_dict().items()}, weights)
    return config, weights


@pytest.fixture
def data(tmp_path):
    """Return a file of two new names; they are called novel, which must not matter."""
    return write_squares(tmp_path / "data", ["ruby", "jade"], novel=True)


@pytest.fixture
def held_out(tmp_path):
    """Return a file of another name."""
    return write_squares(tmp_path / "held_out", ["coal"])
