import hashlib

import numpy as np
import pytest
from servers import publish, serve
from transformers_folders import write_owl

import ovdet
from ovdet.cli import main
from ovdet.structures import InputError

DATA = b"weights"


@pytest.fixture
def models(monkeypatch):
    monkeypatch.delenv("OVDET_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return lambda words: main(["models", *words])


@pytest.fixture
def server(monkeypatch):
    with serve({"/a.pth": DATA}) as running:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.address)
        template = running.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield running


@pytest.fixture
def zoo(server, tmp_path, monkeypatch):
    folder = tmp_path / "zoo"
    folder.mkdir()
    monkeypatch.setenv("OVDET_ZOO", str(folder))
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))
    (folder / "a.yml").write_text(
        f"name: a\nformat: other\nurl: {server.address}/a.pth\nlicence: CC BY-NC 4.0\n"
        f"use: non-commercial\nsha256: {hashlib.sha256(DATA).hexdigest()}\n"
    )
    (folder / "owl.yml").write_text(
        "name: owl\nformat: transformers\nhub: someone/owl\nuse: free\n"
    )
    return folder


@pytest.mark.usefixtures("zoo")
def test_list_show_fetch_verify(models, capsys, tmp_path):
    assert models(["list"]) == 0
    assert "NON-COMMERCIAL" in capsys.readouterr().out
    assert models(["show", "a"]) == 0
    assert "licence   CC BY-NC 4.0" in capsys.readouterr().out
    place = tmp_path / "cache" / "models" / "a" / "a.pth"
    assert models(["verify", "a"]) == 1
    assert capsys.readouterr().out == f"a  absent  not fetched: there is no {place}\n"
    assert models(["fetch", "a"]) == 0
    assert capsys.readouterr().out == f"a  {place}\n"
    assert models(["verify"]) == 0
    assert capsys.readouterr().out == "a  good  sha256 as the zoo says\n"
    place.write_bytes(b"damaged")
    assert models(["verify"]) == 1
    assert "a  bad  " in capsys.readouterr().out


@pytest.mark.usefixtures("zoo")
def test_what_goes_wrong_is_one_line(models, capsys, tmp_path):
    assert models(["fetch", "a", "--offline"]) == 2
    place = tmp_path / "cache" / "models" / "a" / "a.pth"
    told = f"ovdet models: a: is not fetched and this is offline: there is no {place}\n"
    assert capsys.readouterr().err == told
    assert models(["show", "b"]) == 2
    assert "ovdet models: model must be in the zoo (a, owl), " in capsys.readouterr().err
    assert models(["fetch", "owl"]) == 2
    assert "someone/owl: the hub has no such model" in capsys.readouterr().err


def test_the_readme_is_written(models, zoo):
    (zoo / "README.md").write_text("<!-- models -->\n<!-- end of models -->\n")
    assert models(["list", "--write"]) == 0
    assert "| owl |" in (zoo / "README.md").read_text()


@pytest.mark.usefixtures("zoo", "models")
def test_a_released_detector_is_fetched_and_finds(server, tmp_path):
    publish(server, "someone/owl", write_owl("owlvit", tmp_path / "published"))
    with pytest.raises(
        InputError, match=r"owl: is not fetched and this is offline: .*config\.json$"
    ):
        ovdet.load("owl", device="cpu", offline=True)
    model = ovdet.load("owl", device="cpu")
    image = np.zeros((40, 60, 3), np.uint8)
    found = model.detect(image, ["cat", "dog"], threshold=0.0, top_k=3)
    assert len(found) == 3
    assert model.name == "owl"
    again = ovdet.load("owl", device="cpu", offline=True).detect(
        image, ["cat", "dog"], threshold=0.0, top_k=3
    )
    np.testing.assert_array_equal(again.boxes, found.boxes)
    with pytest.raises(InputError, match="a: is another package's checkpoint, not a detector"):
        ovdet.load("a", device="cpu")
    with pytest.raises(InputError, match="a folder brings its weights"):
        ovdet.load("owl", checkpoint="w.pth", device="cpu")
