import hashlib
import logging
from dataclasses import replace

import pytest
from servers import serve

from ovdet.apis import fetching
from ovdet.apis.fetching import fetch, fetch_detector, folder_of, verify
from ovdet.apis.zoo import Card, Release
from ovdet.structures import InputError
from ovdet.structures.weights import find_weights

DATA = b"weights" * 100
HASH = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OVDET_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache" / "models"


@pytest.fixture
def server():
    with serve({"/RN50.pt": DATA}) as running:
        yield running


@pytest.fixture
def release(server):
    card = Card(licence="CC BY-NC 4.0", use="non-commercial")
    return Release("clip", "clip", "url", f"{server.address}/RN50.pt", "RN50.pt", HASH, card)


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "ovdet"]


def test_a_file_is_fetched_once_and_its_licence_told_once(release, server, cache, caplog):
    with caplog.at_level(logging.WARNING, logger="ovdet"):
        assert fetch(release) == cache / "clip" / "RN50.pt"
        assert fetch(release, offline=True).read_bytes() == DATA
    assert len(server.asked) == 1
    assert told(caplog) == [
        f"clip: fetching it from {server.address}/RN50.pt, once",
        "clip: licence [NON-COMMERCIAL USE]: CC BY-NC 4.0",
    ]
    assert verify(release) == ("good", "sha256 as the zoo says")


def test_what_cannot_be_fetched_leaves_no_folder(release, server, cache):
    server.errors["/RN50.pt"] = (500, {})
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch(release)
    assert not (cache / "clip").exists()


def test_configs_find_what_was_fetched(release, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path))
    assert find_weights("RN50.pt") == tmp_path / "RN50.pt"
    fetch(release)
    assert find_weights("RN50.pt") == cache / "clip" / "RN50.pt"
    (tmp_path / "RN50.pt").touch()
    assert find_weights("RN50.pt") == tmp_path / "RN50.pt"


@pytest.mark.parametrize("how", ["argument", "OVDET_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_names_the_missing_path(release, server, cache, monkeypatch, how):
    if how != "argument":
        monkeypatch.setenv(how, "1")
    place = cache / "clip" / "RN50.pt"
    with pytest.raises(InputError, match=f"clip: is not fetched and this is offline: .* {place}$"):
        fetch(release, offline=how == "argument")
    assert server.asked == []
    assert verify(release) == ("absent", f"not fetched: there is no {place}")


def test_a_folder_put_there_by_hand_is_as_good(cache, caplog):
    release = Release("owl", "transformers", "hub", "a/b", "", None, Card(use="free"))
    folder = cache / "owl"
    for name in ("config.json", "model.safetensors"):
        with pytest.raises(InputError, match=f"there is no {folder / name}$"):
            fetch_detector(release, offline=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    with caplog.at_level(logging.WARNING, logger="ovdet"):
        assert fetch_detector(release) == folder
    assert told(caplog) == ["owl: licence: none stated"]
    assert verify(release) == (
        "unknown",
        "the zoo knows no sha256; 2 files as they were at first use",
    )
    (folder / "model.safetensors").write_text("other")
    state, why = verify(release)
    assert state == "bad"
    assert "model.safetensors: sha256 must be" in why
    (folder / fetching.RECORD).unlink()
    assert verify(release) == ("unknown", "the zoo knows no sha256, and none was kept")
    (folder / fetching.RECORD).write_text("[]")
    assert verify(release)[0] == "bad"


def test_a_wrong_file_put_there_by_hand_is_refused(release, cache):
    (cache / "clip").mkdir(parents=True)
    (cache / "clip" / "RN50.pt").write_bytes(b"other")
    with pytest.raises(InputError, match=r"sha256 must be .* as clip\.yml says"):
        fetch(release)
    assert verify(release)[0] == "bad"


def test_what_has_no_address_says_where_to_get_it(release, cache):
    by_hand = replace(release, source="page", address="https://example.org/page", sha256=None)
    place = cache / "clip" / "RN50.pt"
    message = (
        f"clip: has no address .*: get RN50.pt at https://example.org/page and put .* {place}$"
    )
    with pytest.raises(InputError, match=message):
        fetch(by_hand)
    place.parent.mkdir(parents=True)
    place.write_bytes(DATA)
    assert fetch(by_hand) == place


def test_what_is_no_detector_is_not_opened(release, server):
    with pytest.raises(
        InputError, match=r"clip: is CLIP's two towers, .*, not a detector .*: fetch"
    ):
        fetch_detector(replace(release, card=Card(note="fetch it")))
    assert server.asked == []


def test_without_a_cache_nothing_is_fetched(release, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", "off")
    with pytest.raises(InputError, match="clip: needs a cache to lie in, and OVDET_CACHE is off"):
        fetch(release)
    with pytest.raises(InputError, match="needs a cache"):
        folder_of(release)


def test_a_cache_that_is_a_file(release, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="models/clip: cannot be written to"):
        fetch(release)
