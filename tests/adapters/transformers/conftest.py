import numpy as np
import pytest
from transformers_folders import write_grounding, write_owl


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos():
    """Return a wide, a tall and a small picture of noise."""
    rng = np.random.default_rng(0)
    sizes = ((60, 100, 3), (90, 40, 3), (20, 20, 3))
    return [rng.integers(0, 256, size, dtype=np.uint8) for size in sizes]


@pytest.fixture(scope="session")
def owl():
    """Return what writes a small random OWL-ViT or OWLv2 in transformers' own format."""
    return write_owl


@pytest.fixture(scope="session")
def grounding():
    """Return what writes a small random (MM-)Grounding DINO in transformers' own format."""
    return write_grounding
