import hashlib
import logging

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ovdet
from ovdet.apis.zoo import find
from ovdet.engine.config import load_config
from ovdet.registry import build
from ovdet.structures import InputError

CONFIG = """
tower = dict(type="TinyTextTransformer", dim=16, width=16, layers=1, heads=2, embed_width=4)
embedder = dict(type="RoiEmbedder", width=8, dim=16, hidden=16, convs=1, size=7)
branch = dict(
    type="RegionBranch", embedder=embedder, classifier=dict(type="CosineClassifier", dim=16)
)
model = dict(
    type="TwoStageDetector",
    trunk=dict(
        type="PyramidTrunk", trunk=dict(type="SmallTrunk", widths=(4, 4, 8, 8)), width=8
    ),
    text=dict(type="TextClasses", encoder=tower),
    proposals=dict(type="RpnProposals", width=8, sizes=(12, 24, 48), test_top=20),
    branches=[branch],
    boxes=dict(type="BoxHead", hidden=16),
    masks=dict(type="MaskHead", width=8, convs=1),
    scores=dict(type="FirstScores"),
    settings=dict(type="TwoStageSettings", sampler=dict(type="RegionSampler", count=8)),
)
predict = dict(short=48, max=64, threshold=0.01)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a config and its weights."""
    folder = tmp_path_factory.mktemp("model")
    config, weights = folder / "small.py", folder / "small.safetensors"
    config.write_text(CONFIG)
    torch.manual_seed(0)
    detector = build(load_config(config).to_dict()["model"], "model")
    save_file({k: v.contiguous() for k, v in detector.state_dict().items()}, weights)
    return config, weights


@pytest.fixture
def zoo(files, tmp_path, monkeypatch):
    """Return a zoo folder that holds the small model as ``ovdet-tiny``."""
    config, weights = files
    folder = tmp_path / "model_zoo"
    folder.mkdir()
    (tmp_path / "small.py").write_bytes(config.read_bytes())
    (folder / "ovdet-tiny.safetensors").write_bytes(weights.read_bytes())
    write_entry(folder)
    monkeypatch.setenv("OVDET_ZOO", str(folder))
    return folder


def write_entry(folder, **changes):
    data = (folder / "ovdet-tiny.safetensors").read_bytes()
    facts = {
        "name": "ovdet-tiny",
        "config": "small.py",
        "weights": "ovdet-tiny.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "Apache-2.0",
    } | changes
    lines = [f"{key}: {value}" for key, value in facts.items() if value is not None]
    (folder / "ovdet-tiny.yml").write_text("\n".join(lines))


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OVDET_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("zoo")
def test_the_default_comes_from_the_zoo_and_says_so_in_one_line(caplog):
    with caplog.at_level(logging.WARNING, logger="ovdet"):
        model = ovdet.load(device="cpu")
    lines = [record.getMessage() for record in caplog.records if record.name == "ovdet"]
    assert len(lines) == 1
    assert "ovdet-tiny" in lines[0]
    assert "stronger ones" in lines[0]
    assert model.name == "ovdet-tiny"
    assert model.settings.short == 48


@pytest.mark.usefixtures("zoo")
def test_a_named_model_is_silent(caplog):
    with caplog.at_level(logging.WARNING, logger="ovdet"):
        ovdet.load("ovdet-tiny", device="cpu")
    assert [record for record in caplog.records if record.name == "ovdet"] == []


def test_config_and_checkpoint_detect_with_swapped_vocabularies(files):
    model = ovdet.load(files[0], checkpoint=files[1], device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    for names in (["cat"], ["a red car", "日本", "dog"]):
        found = model.detect(image, names, threshold=0.0, top_k=7)
        assert set(found.labels) <= set(names)
        assert 0 < len(found) <= 7
        assert found.masks.shape == (len(found), 70, 50)
        assert (np.diff(found.scores) <= 0).all()
        assert found.boxes.min() >= 0
        assert (found.boxes.max(axis=0) <= [50, 70, 50, 70]).all()
    assert len(model.detect(image, ["cat"], threshold=1.0)) == 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_finds_about_the_same(files, precision):
    exact = ovdet.load(files[0], checkpoint=files[1], device="cpu")
    half = ovdet.load(files[0], checkpoint=files[1], device="cpu", precision=precision)
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    found = half.detect(image, ["cat", "dog"], threshold=0.0, top_k=5)
    best = exact.detect(image, ["cat", "dog"], threshold=0.0, top_k=5)
    assert found.masks.shape == (5, 70, 50)
    np.testing.assert_allclose(found.scores, best.scores, atol=0.05)


def test_the_second_call_encodes_none(files):
    model = ovdet.load(files[0], checkpoint=files[1], device="cpu")
    names = [f"thing {i}" for i in range(200)]
    bank = model.detector.text.bank
    image = np.zeros((48, 48, 3), np.uint8)
    model.detect(image, names)
    assert bank.encoded == 200
    model.detect(image, names)
    assert bank.encoded == 200


def test_cache_dir_holds_the_text_of_another_process(files, tmp_path):
    options = {"checkpoint": files[1], "device": "cpu", "cache_dir": tmp_path / "mine"}
    first = ovdet.load(files[0], **options).embed_text(["cat", "dog"])
    again = ovdet.load(files[0], **options)
    assert torch.equal(again.embed_text(["dog", "cat"]), first.flip(0))
    assert again.detector.text.bank.encoded == 0
    assert any((tmp_path / "mine").rglob("*"))


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nothing", r"in the zoo \(ovdet-tiny\), a config file or a folder .*, got 'nothing'"),
        ("../model_zoo/ovdet-tiny", "in the zoo"),
        ("no/such.py", r"no/such\.py: there is no such config file"),
    ],
)
def test_unknown_models(model, message):
    with pytest.raises(InputError, match=message):
        ovdet.load(model, device="cpu")


def test_only_a_config_that_trains_nothing_needs_no_checkpoint(files, tmp_path):
    with pytest.raises(InputError, match=r"small\.py: a config needs its weights"):
        ovdet.load(files[0], device="cpu")
    path = tmp_path / "free.py"
    path.write_text(CONFIG + "\ntrain = None\n")
    found = ovdet.load(path, device="cpu").detect(np.zeros((48, 48, 3), np.uint8), ["cat"])
    assert found.vocabulary.names == ("cat",)


RESIZE = """
val = dict(dataset=dict(transforms=[dict(type="Resize", short=40, longest=100)]))
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (RESIZE, (40, 100, 0.3)),
        (RESIZE + "predict = dict(max=60, threshold=0.1)", (40, 60, 0.1)),
        ("val = None", (320, 640, 0.3)),
        ("val = dict(dataset=dict(transforms=[dict(type='RandomFlip')]))", (320, 640, 0.3)),
    ],
)
def test_pictures_go_in_as_they_are_measured(files, tmp_path, said, expected):
    path = tmp_path / "sized.py"
    path.write_text(CONFIG.replace("predict = dict(short=48, max=64, threshold=0.01)", said))
    settings = ovdet.load(path, checkpoint=files[1], device="cpu").settings
    assert (settings.short, settings.max, settings.threshold) == expected


@pytest.mark.usefixtures("zoo")
def test_a_zoo_model_takes_no_checkpoint(files):
    with pytest.raises(InputError, match="checkpoint goes with a config file"):
        ovdet.load(checkpoint=files[1], device="cpu")


def test_damaged_weights_are_told_by_their_hash(zoo):
    with (zoo / "ovdet-tiny.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\1\2\3\4")
    with pytest.raises(InputError, match=r"ovdet-tiny\.safetensors: sha256 must be"):
        ovdet.load(device="cpu")
    (zoo / "ovdet-tiny.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        ovdet.load(device="cpu")


def test_bad_entries(zoo):
    write_entry(zoo, sha256=None)
    with pytest.raises(InputError, match="must have the text 'sha256', got None"):
        find("ovdet-tiny")
    write_entry(zoo, config="gone.py")
    with pytest.raises(InputError, match=r"its config gone\.py is not beside the zoo"):
        find("ovdet-tiny")
    for text in ("- a list", "{", "\0"):
        (zoo / "ovdet-tiny.yml").write_text(text)
        with pytest.raises(InputError, match=r"ovdet-tiny\.yml"):
            find("ovdet-tiny")


def test_no_zoo(monkeypatch, tmp_path):
    monkeypatch.setenv("OVDET_ZOO", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"no model zoo at .*: set OVDET_ZOO"):
        ovdet.load(device="cpu")


def test_bad_configs(files, tmp_path):
    for text, message in [
        ("x = 1", "must describe a model"),
        (CONFIG + "\npredict = dict(shirt=3)", "predict: .*shirt"),
        ("model = dict(type='TinyTextTransformer')", "not a detector"),
        ("model = dict(type='TwoStageDetektor')", "did you mean 'TwoStageDetector'"),
    ]:
        path = tmp_path / "bad.py"
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            ovdet.load(path, checkpoint=files[1], device="cpu")


def test_a_table_of_the_same_tower_stands_in_for_the_names(files):
    model = ovdet.load(files[0], checkpoint=files[1], device="cpu")
    names = ["cat", "dog", "a red car"]
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    given = ovdet.Vocabulary.of(names).with_table(model.embed_text(names), "t.npy")
    expected = model.detect(image, names, threshold=0.0, top_k=7)
    found = model.detect(image, given, threshold=0.0, top_k=7)
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    torch.testing.assert_close(model.embed_text(given), model.embed_text(names))
    wide = ovdet.Vocabulary.of(names).with_table(np.eye(3), "t.npy")
    with pytest.raises(InputError, match=r"t\.npy: rows are 3 wide, the model's text is 16 wide"):
        model.detect(image, wide)
    model.detector.text.reads_tables = False
    with pytest.raises(InputError, match=r"t\.npy: a TwoStageDetector with this text reads names"):
        model.segment(image, given)
