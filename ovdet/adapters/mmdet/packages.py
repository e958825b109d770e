"""Importing mmdet: late, once, and with one clear line where it cannot be."""

from functools import cache
from importlib.util import find_spec
from typing import Any

from ovdet.adapters.mmdet.bridge import install
from ovdet.structures import InputError


def require(wanted: str) -> None:
    """Make ``mmdet`` importable.

    Args:
        wanted: What is asked for, to begin the message with.

    Raises:
        InputError: If mmdet or mmcv is not installed, or mmdet refuses the mmcv that is.
    """
    for package in ("mmdet", "mmcv"):
        if find_spec(package) is None:
            raise InputError(f"{wanted} needs {package}: pip install 'ovdet[mmdet]'")
    install()
    try:
        import mmdet  # noqa: F401 - it checks the versions of its companions
    except AssertionError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{wanted} needs mmdet's companions as it wants them: {said}") from error


@cache
def part_registry() -> Any:
    """Return mmdet's registry of model parts, filled, with our own part for its configs in it.

    The first call takes seconds.
    """
    import mmdet.models  # noqa: F401 - fills the registry
    from mmdet.registry import MODELS

    from ovdet.adapters.mmdet.classifier import TextClassifier

    MODELS.register_module(module=TextClassifier)
    return MODELS
