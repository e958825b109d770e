import numpy as np
import pytest

from ovdet.evaluation.columns import MISSHAPEN, is_number, read_boxes, read_column


def test_columns_are_arrays():
    entries = [{"a": 1, "bbox": [1, 2, 3, 4.5]}, {"a": np.int16(2), "bbox": (0, 0, 1, 1)}]
    assert read_column(entries, "a", whole=True).dtype == np.int64
    assert read_column(entries, "a", whole=False).tolist() == [1.0, 2.0]
    assert read_boxes(entries).tolist() == [[1, 2, 3, 4.5], [0, 0, 1, 1]]
    assert read_column([], "a", whole=True).shape == (0,)
    assert read_boxes([]).shape == (0, 4)


@pytest.mark.parametrize("value", [None, "1", True, 1.5, [1], 2**70])
def test_what_is_no_whole_number_is_refused(value):
    for entries in ([{"a": 1}, {"a": value}], [{"a": 1}, {}], [[]]):
        with pytest.raises(MISSHAPEN):
            read_column(entries, "a", whole=True)


@pytest.mark.parametrize("box", [None, [1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, None], 7, "1234"])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(MISSHAPEN):
        read_boxes([{"bbox": [1, 2, 3, 4]}, {"bbox": box}])


def test_a_truth_value_is_no_number():
    assert is_number(float, whole=False)
    assert not is_number(float, whole=True)
    assert not is_number(bool, whole=True)
    assert not is_number(np.bool_, whole=False)
