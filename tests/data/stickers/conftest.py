from functools import lru_cache

import pytest
from track_hashes import SMALL

from ovdet.data.stickers.sprites import find_font
from ovdet.data.stickers.tracks import write_track
from ovdet.structures import InputError


@pytest.fixture(scope="session")
def font():
    try:
        return find_font()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def small_track(font, tmp_path_factory):  # noqa: ARG001
    """Return the folder of a small version of a track, rendered once."""

    @lru_cache
    def folder(track):
        out = tmp_path_factory.mktemp("tracks") / track
        write_track(track, out, seed=0, **SMALL[track])
        return out

    return folder
