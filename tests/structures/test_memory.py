import gc

import pytest

from ovdet.structures import without_collection


@pytest.mark.parametrize("before", [True, False])
def test_collection_is_as_it_was(before):
    (gc.enable if before else gc.disable)()
    try:
        with without_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == before
        with pytest.raises(KeyError), without_collection():
            raise KeyError
        assert gc.isenabled() == before
    finally:
        gc.enable()


def test_a_function_can_be_decorated():
    assert without_collection()(gc.isenabled)() is False
    assert gc.isenabled()
