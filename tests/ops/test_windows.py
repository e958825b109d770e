import pytest

from ovdet.ops import window_starts
from ovdet.structures import InputError


@pytest.mark.parametrize(
    ("length", "side", "step", "multiple", "expected"),
    [
        (224, 224, 112, 16, [0]),
        (160, 224, 112, 16, [0]),
        (448, 224, 112, 16, [0, 112, 224]),
        (336, 224, 100, 16, [0, 96, 112]),  # 100 is rounded down; the last one ends at the end
        (240, 224, 112, 16, [0, 16]),
        (10, 4, 4, 1, [0, 4, 6]),
    ],
)
def test_windows_by_hand(length, side, step, multiple, expected):
    starts = window_starts(length, side, step, multiple)
    assert starts == expected
    seen = {px for start in starts for px in range(start, start + side)}
    assert seen >= set(range(length))
    assert all(start % multiple == 0 for start in starts)


def test_arguments_are_checked():
    with pytest.raises(InputError, match="windows of 4 px must step by 1 to 4 px, got 5"):
        window_starts(10, 4, 5)
    with pytest.raises(InputError, match="windows of 32 px must step by 16 to 32 px, got 8"):
        window_starts(64, 32, 8, 16)
    with pytest.raises(InputError, match="side must be a multiple of 16 px, got 40"):
        window_starts(64, 40, 16, 16)
    with pytest.raises(InputError, match="length must be a multiple of 16 px, got 70"):
        window_starts(70, 32, 16, 16)
