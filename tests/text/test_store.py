import multiprocessing
import sqlite3

import pytest
import torch

from ovdet.text import VectorStore

ROWS = {"cat": torch.tensor([1.0, 2.0, 3.0]), "a\x00b é": torch.tensor([4.0, 5.0, 1e-30])}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "store.sqlite3"


def same(found, expected):
    return found.keys() == expected.keys() and all(
        torch.equal(found[k], expected[k]) for k in expected
    )


def test_what_is_written_is_read_bit_for_bit(path):
    VectorStore(path, 3).write(ROWS)
    assert same(VectorStore(path, 3).read(["dog", *ROWS]), ROWS)


def test_many_names_at_once(path):
    rows = {f"name {i}": torch.tensor([float(i)]) for i in range(2500)}
    VectorStore(path, 1).write(rows)
    assert same(VectorStore(path, 1).read(list(rows)), rows)


def test_a_flipped_bit_leaves_the_row_out_with_a_warning(path, caplog):
    VectorStore(path, 3).write(ROWS)
    with sqlite3.connect(path) as db:
        key, data = db.execute(
            "SELECT name, vector FROM vectors WHERE name = ?", (b"cat",)
        ).fetchone()
        broken = bytes([data[0] ^ 1]) + data[1:]
        db.execute("UPDATE vectors SET vector = ? WHERE name = ?", (broken, key))
    found = VectorStore(path, 3).read(list(ROWS))
    assert found.keys() == {"a\x00b é"}
    assert "1 corrupt entries" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"not a database at all " * 100,
        lambda data: data[: len(data) // 2],
        lambda data: data[:100] + b"\xff" * 4000 + data[4100:],
        lambda _: b"",
    ],
)
def test_a_damaged_file_is_made_anew(path, damage):
    rows = {f"name {i}": torch.full((64,), float(i)) for i in range(200)}
    VectorStore(path, 64).write(rows)
    path.write_bytes(damage(path.read_bytes()))
    store = VectorStore(path, 64)
    found = store.read(list(rows))
    assert all(torch.equal(found[name], rows[name]) for name in found)
    store.write(rows)
    assert same(VectorStore(path, 64).read(list(rows)), rows)


def test_a_file_of_another_make_is_made_anew(path, caplog):
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE vectors (other INT)")
    store = VectorStore(path, 3)
    assert store.read(["cat"]) == {}
    store.write(ROWS)
    assert same(store.read(list(ROWS)), ROWS)
    assert "damaged" in caplog.text


def test_a_folder_that_cannot_be_used_warns_once(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    store = VectorStore(tmp_path / "file" / "store.sqlite3", 3)
    store.write(ROWS)
    assert store.read(list(ROWS)) == {}
    assert len(caplog.messages) == 1
    assert "memory only" in caplog.text


def write_share(path, share):
    for i in range(20):
        VectorStore(path, 1).write({f"{share}-{i}": torch.tensor([float(i)])})


def test_processes_may_write_at_once(path):
    spawn = multiprocessing.get_context("fork")
    workers = [spawn.Process(target=write_share, args=(path, share)) for share in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    names = [f"{share}-{i}" for share in range(3) for i in range(20)]
    assert VectorStore(path, 1).read(names).keys() == set(names)
