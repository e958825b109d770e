import pytest

from ovdet.engine import load_config, parse_options
from ovdet.structures import InputError


def write(folder, text, name="a.py"):
    path = folder / name
    path.write_text(text)
    return path


def test_bases_and_options_are_merged(tmp_path):
    write(tmp_path, "optim = dict(lr=1.0, warmup=3)\n", "base.py")
    path = write(tmp_path, "_base_ = ['base.py']\noptim = dict(lr=2.0)\n")
    config = load_config(path, {"optim.warmup": 5, "seed": 7})
    assert (config.optim.lr, config.optim.warmup, config.seed) == (2.0, 5, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "is not a config: SyntaxError"),
        ("model = dict(a=b)", "is not a config: NameError"),
        ("_base_ = ['missing.py']", "is not a config: .*missing.py"),
        ("a = 1 / 0", "is not a config: ZeroDivisionError"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        load_config(write(tmp_path, text))
    assert "a.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="there is no such config file"):
        load_config(tmp_path / "a.py")


def test_an_option_of_nothing(tmp_path):
    with pytest.raises(InputError, match="has no entry 'optm' to change"):
        load_config(write(tmp_path, "optim = dict(lr=1.0)\n"), {"optm.lr": 2.0})


def test_options_are_python_or_text():
    words = ["a.b=3", "c=[1, 2]", "d=text", "e=None", "f=x=y", "g=1e-3"]
    assert parse_options(words) == {
        "a.b": 3,
        "c": [1, 2],
        "d": "text",
        "e": None,
        "f": "x=y",
        "g": 0.001,
    }


@pytest.mark.parametrize("word", ["a", "=3", ""])
def test_options_need_a_key_and_a_value(word):
    with pytest.raises(InputError, match="options must be key=value"):
        parse_options([word])
