import pytest

from ovdet.serving.limits import ServerLimits
from ovdet.structures import InputError


def test_sizes():
    limits = ServerLimits(batch=4, queue=6, body_mb=0.5, megapixels=0.25)
    assert (limits.inside, limits.body_bytes, limits.pixels) == (10, 524_288, 250_000)


@pytest.mark.parametrize("name", ["batch", "body_mb", "megapixels", "names", "patience_s"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_what_must_be_positive(name, value):
    with pytest.raises(InputError, match=rf"{name} must be above 0, got {value}"):
        ServerLimits(**{name: value})


@pytest.mark.parametrize("name", ["wait_ms", "queue"])
def test_what_may_be_zero(name):
    ServerLimits(**{name: 0})
    with pytest.raises(InputError, match=f"{name} must be at least 0"):
        ServerLimits(**{name: -1})
