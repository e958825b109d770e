import re

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file

from ovdet.apis.described import CONFIG, WEIGHTS, is_saved, read_described, save_model
from ovdet.apis.model import Settings
from ovdet.structures import InputError

MODEL = {"type": "A", "parts": [{"type": "B", "x": (1, 2.5)}], "names": ["Ä", "it's"], "none": None}


def test_a_saved_model_reads_back_as_it_was(tmp_path):
    folder = tmp_path / "mine"
    assert not is_saved(folder)
    save_model(folder, MODEL, Settings(48, 64, 0.2), {"a.b": torch.arange(4.0).view(2, 2).T})
    assert is_saved(folder)
    described = read_described(folder)
    assert described.facts["model"] == MODEL
    assert described.settings == Settings(48, 64, 0.2)
    assert described.name == "mine"
    assert load_file(described.weights)["a.b"].tolist() == [[0, 2], [1, 3]]
    assert Config.fromfile(folder / CONFIG).predict.short == 48


def test_half_a_folder_is_no_model(tmp_path):
    save_model(tmp_path, MODEL, Settings(), {"a": torch.zeros(1)})
    (tmp_path / WEIGHTS).unlink()
    assert not is_saved(tmp_path)


def test_a_size_is_taken_from_how_a_config_measures(tmp_path):
    config = tmp_path / "a.py"
    resize = '[dict(type="Resize", short=100, longest=200)]'
    config.write_text(
        f"model = dict()\ntrain = None\nval = dict(dataset=dict(transforms={resize}))"
    )
    assert read_described(config).settings == Settings(100, 200)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train = None", "must describe a model under the key 'model'"),
        ("model = dict()", "a config needs its weights, give checkpoint=FILE too"),
        ("model = dict()\ntrain = None\npredict = dict(size=3)", "predict: "),
    ],
)
def test_what_a_config_lacks_is_told(tmp_path, text, told):
    config = tmp_path / "a.py"
    config.write_text(text)
    with pytest.raises(InputError, match=re.escape(told)):
        read_described(config)


def test_models_of_others_and_checkpoints_of_the_zoo_are_refused():
    with pytest.raises(InputError, match="is a model of others"):
        read_described("owlv2-base")
    with pytest.raises(InputError, match="checkpoint goes with a config file"):
        read_described("ovdet-tiny", "a.pth")
