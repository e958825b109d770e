import hashlib

import pytest
from servers import serve

from ovdet.apis.downloads import download
from ovdet.structures import InputError

DATA = bytes(range(256)) * 40
HASH = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server():
    with serve({"/a.bin": DATA}) as running:
        yield running


def ranges(server):
    return [asked for _, _, asked in server.asked]


@pytest.mark.parametrize("sha256", [HASH, None])
def test_a_file_arrives_whole(server, tmp_path, sha256):
    download(f"{server.address}/a.bin", tmp_path / "a.bin", sha256)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert ranges(server) == [None]


def test_it_goes_on_where_the_connection_broke(server, tmp_path):
    server.breaks = 2
    download(f"{server.address}/a.bin", tmp_path / "a.bin", HASH)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    half, rest = len(DATA) // 2, len(DATA) // 4
    assert ranges(server) == [None, f"bytes={half}-", f"bytes={half + rest}-"]


def test_a_later_call_goes_on(server, tmp_path):
    server.breaks = 4
    with pytest.raises(
        InputError, match=r"a\.bin: cannot be fetched: broke off after \d+ of 10240"
    ):
        download(f"{server.address}/a.bin", tmp_path / "a.bin", HASH)
    assert not (tmp_path / "a.bin").exists()
    come = (tmp_path / "a.bin.part").stat().st_size
    server.asked.clear()
    download(f"{server.address}/a.bin", tmp_path / "a.bin", HASH)
    assert ranges(server) == [f"bytes={come}-"]
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_whole_part_is_only_checked(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(DATA)
    download(f"{server.address}/a.bin", tmp_path / "a.bin", HASH)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_server_that_cannot_go_on_starts_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / "a.bin.part").write_bytes(b"other")
    download(f"{server.address}/a.bin", tmp_path / "a.bin", HASH)
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_without_a_hash_nothing_is_gone_on_with(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"other")
    download(f"{server.address}/a.bin", tmp_path / "a.bin", None)
    assert ranges(server) == [None]
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_another_file_is_refused_and_removed(server, tmp_path):
    with pytest.raises(InputError, match=r"sha256 must be 0{12}\.\.\. as the zoo says, got"):
        download(f"{server.address}/a.bin", tmp_path / "a.bin", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_refusals_are_not_asked_again(server, tmp_path):
    with pytest.raises(InputError, match=r"none\.bin: cannot be fetched: 404 Not Found"):
        download(f"{server.address}/none.bin", tmp_path / "a.bin", HASH)
    assert len(server.asked) == 1
    with pytest.raises(InputError, match=r"cannot be fetched: .*refused"):
        download("http://127.0.0.1:1/a.bin", tmp_path / "a.bin", HASH)
