import shutil

import pytest

from ovdet.checkup import GOOD, NOTE, WRONG, cache
from ovdet.structures.files import zoo_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def by_name(found):
    return {finding.name: finding for finding in found}


def test_an_empty_cache(folder):
    (found,) = cache.look_at_cache()
    assert found.said.startswith(f"{folder}: 0 bytes in it, ")
    assert not folder.exists()


def test_what_lies_in_it(folder):
    for path, size in (
        ("text/a.sqlite3", 1500),
        ("text/b.sqlite3", 500),
        ("models/clip-vit-b32/ViT-B-32.pt", 7_000_000),
        ("models/owlv2-base/config.json", 20),
        ("models/mine/w.pt", 3),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(bytes(size))
    found = by_name(cache.look_at_cache())
    assert found["cache"].said.startswith(f"{folder}: 7 MB in it")
    assert found["text"].said == "2 kB, 2 files"
    assert (found["models/clip-vit-b32"].said, found["models/mine"].said) == (
        "7 MB, whole",
        "3 bytes, not of the zoo",
    )
    part = found["models/owlv2-base"]
    assert part.state == WRONG
    assert part.said == "20 bytes, unfinished: there is no model.safetensors"
    assert part.fix == "ovdet models fetch owlv2-base"


def test_a_cache_that_cannot_be(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "file" / "cache"))
    (found,) = cache.look_at_cache()
    assert (found.state, found.fix) == (WRONG, 'export OVDET_CACHE="$HOME/.cache/ovdet"')
    assert found.said.endswith("file is no folder")
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache.os, "access", lambda *_: False)  # root may write everywhere
    assert next(cache.look_at_cache()).said.endswith(f"{tmp_path} cannot be written to")
    monkeypatch.setenv("OVDET_CACHE", "off")
    assert next(cache.look_at_cache()).state == NOTE


def test_our_own_models(tmp_path, monkeypatch):
    assert all(found.state == GOOD for found in cache.look_at_zoo())
    assert by_name(cache.look_at_zoo())["ovdet-tiny"].said == "sha256 as the zoo says"
    for name in ("ovdet-tiny.yml", "ovdet-tiny.safetensors"):
        shutil.copy(zoo_folder() / name, tmp_path / name)
    (tmp_path / "ovdet-tiny.safetensors").write_bytes(b"damaged")
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    (found,) = cache.look_at_zoo()
    assert (found.state, found.fix) == (WRONG, "unset OVDET_ZOO")
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path / "none"))
    assert next(cache.look_at_zoo()).said.startswith("no model zoo at ")


def test_what_a_checkout_restores(monkeypatch):
    monkeypatch.delenv("OVDET_ZOO", raising=False)
    assert cache._for_zoo("model_zoo/a.yml").endswith(" checkout -- model_zoo/a.yml")
    monkeypatch.setattr(cache.fixes, "checkout", lambda: None)
    assert cache._for_zoo("model_zoo").startswith("export OVDET_ZOO=")


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1234, "1.23 kB"), (5e6, "5 MB"), (2.5e12, "2,500.0 GB")],
)
def test_sizes(count, words):
    assert cache.size_in_words(count) == words
