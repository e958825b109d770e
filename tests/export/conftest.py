import pytest

import ovdet
from ovdet.export.files import export


@pytest.fixture(scope="session")
def model():
    return ovdet.load("ovdet-tiny", device="cpu")


@pytest.fixture(scope="session")
def written(model, tmp_path_factory):
    """The default model as one ONNX file that takes any names."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return export(model, tmp_path_factory.mktemp("export") / "model.onnx")
