import pytest

from ovdet.data.stickers.sprites import find_font
from ovdet.structures import InputError


@pytest.fixture
def font():
    try:
        return find_font()
    except InputError as error:
        pytest.skip(str(error))
