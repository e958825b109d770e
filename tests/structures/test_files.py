import os
import stat
from pathlib import Path

import pytest

from ovdet.structures import InputError, atomic_file, atomic_write, read_json
from ovdet.structures.files import cache_folder


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    atomic_write(path, b"one")
    atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["file.bin"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_written_piece_by_piece_is_whole_or_not_there(tmp_path):
    path = tmp_path / "file.bin"
    with atomic_file(path) as file:
        file.write(b"on")
        assert not path.exists()
        file.write(b"e")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.write("two")
    assert path.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_failure_leaves_the_old_file_whole(tmp_path, monkeypatch, call):
    path = tmp_path / "file.bin"
    atomic_write(path, b"old")

    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file.bin"]


def test_an_interrupt_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "file.bin"
    atomic_write(path, b"old")

    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_reader_with_the_old_file_open_keeps_it(tmp_path):
    path = tmp_path / "file.bin"
    atomic_write(path, b"old")
    with path.open("rb") as reader:
        atomic_write(path, b"new")
        assert reader.read() == b"old"


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        atomic_write(tmp_path / "file" / "below.bin", b"x")


def test_json_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"ä": [1, null]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"ä": [1, None]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": ', "must be JSON"),
        (b"\xff\xfe", "must be UTF-8 text, byte 0 is not"),
        (b"[" * 100_000, "must be JSON"),
    ],
)
def test_what_is_not_json_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: {message}"):
        read_json(tmp_path / "a.json")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_json(tmp_path)


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_CACHE", "off")
    assert cache_folder() is None
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("OVDET_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "ovdet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "ovdet"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "ovdet"
