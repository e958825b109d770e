import pytest
from servers import publish, serve

from ovdet.apis.hub import fetch_folder
from ovdet.structures import InputError

MODEL = "someone/something"
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"[]",
    "merges.txt": b"a b",
    "model.safetensors": b"weights" * 100,
    "pytorch_model.bin": b"the same again",
    "README.md": b"long",
}


@pytest.fixture
def server(monkeypatch, tmp_path):
    with serve() as running:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.address)
        template = running.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        yield running


@pytest.fixture
def published(server, tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    publish(server, MODEL, folder)
    return folder


def here(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def fetched(server):
    return [path.rpartition("/")[2] for how, path, _ in server.asked if how == "GET"][1:]


@pytest.mark.usefixtures("published")
def test_what_transformers_needs_comes_and_the_weights_last(server, tmp_path):
    fetch_folder(MODEL, tmp_path / "out")
    wanted = ["config.json", "merges.txt", "model.safetensors", "tokenizer.json"]
    assert here(tmp_path / "out") == wanted
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert fetched(server)[-1] == "model.safetensors"
    server.asked.clear()
    fetch_folder(MODEL, tmp_path / "out")
    assert fetched(server) == []


def test_pickled_weights_come_where_there_are_no_others(server, published, tmp_path):
    (published / "model.safetensors").unlink()
    publish(server, MODEL, published)
    fetch_folder(MODEL, tmp_path / "out")
    assert "pytorch_model.bin" in here(tmp_path / "out")
    (published / "pytorch_model.bin").unlink()
    publish(server, MODEL, published)
    with pytest.raises(InputError, match="something: holds no weights"):
        fetch_folder(MODEL, tmp_path / "out")


def test_shards_come_before_their_index(server, published, tmp_path):
    (published / "model.safetensors").rename(published / "model-00001-of-00001.safetensors")
    (published / "model.safetensors.index.json").write_text("{}")
    publish(server, MODEL, published)
    fetch_folder(MODEL, tmp_path / "out")
    assert fetched(server)[-1] == "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "GatedRepo", "someone/something: is gated: accept its terms"),
        (401, "RepoNotFound", "the hub has no such model, or shows it to no one"),
        (403, "", "cannot be fetched from the hub: "),
    ],
)
def test_refusals_in_one_line(server, tmp_path, status, code, message):
    path = f"/api/models/{MODEL}/tree/main"
    server.errors[path] = (status, {"X-Error-Code": code} if code else {})
    with pytest.raises(InputError, match=message) as told:
        fetch_folder(MODEL, tmp_path / "out")
    assert "\n" not in str(told.value)
