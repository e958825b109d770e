import pytest
from exports import small_model

import ovdet
from ovdet.export.files import export


@pytest.fixture(scope="session")
def model():
    return small_model("base/models/two_stage_tiny")


@pytest.fixture(scope="session")
def written(model, tmp_path_factory):
    """The small detector as one ONNX file that takes any names."""
    return to_onnx(model, tmp_path_factory)


@pytest.fixture(scope="session")
def default():
    return ovdet.load("ovdet-tiny", device="cpu")


@pytest.fixture(scope="session")
def default_written(default, tmp_path_factory):
    """The default model likewise, which takes a minute or two: for slow tests alone."""
    return to_onnx(default, tmp_path_factory)


def to_onnx(model, folders):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return export(model, folders.mktemp("export") / "model.onnx")
