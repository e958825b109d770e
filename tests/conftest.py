"""What holds for every test: nothing is written into the home folder of who runs them."""

import pytest


@pytest.fixture(autouse=True)
def _no_cache_on_disk(monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", "off")  # a test of the cache names a folder of its own
