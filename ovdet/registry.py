"""The five registries, and the one place where a config becomes objects.

Building goes inside-out: children are built first, so a constructor receives finished parts and
never sees a dict with a ``type``. Errors name the path of the config entry they come from, as in
``model.objectives[0].teacher``.
"""

import difflib
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mmengine.registry import Registry

_PARTS = ["text", "vision", "losses", "heads", "methods"]
_PARTS += ["recognizers", "detectors", "segmentors", "adapters"]
_METRICS = ["collect", "grounding", "panoptic", "pointing", "recognition", "regions", "semantic"]

MODELS = Registry("models", scope="ovdet", locations=[f"ovdet.{part}" for part in _PARTS])
DATASETS = Registry("datasets", scope="ovdet", locations=["ovdet.data"])
TRANSFORMS = Registry("transforms", scope="ovdet", locations=["ovdet.data"])
METRICS = Registry(
    "metrics", scope="ovdet", locations=[f"ovdet.evaluation.{part}" for part in _METRICS]
)
HOOKS = Registry("hooks", scope="ovdet", locations=["ovdet.engine"])
_ALL = (MODELS, DATASETS, TRANSFORMS, METRICS, HOOKS)
_GUESTS = {"mmdet": "ovdet.adapters.mmdet.parts"}  # "mmdet.FPN" is what ``find("FPN")`` there gives


class BuildError(ValueError):
    """A config entry that cannot become an object; the message opens with the entry's path."""


def build(config: Any, path: str) -> Any:
    """Turn a config into an object, children before parents.

    Args:
        config: A dict with ``type`` becomes an object; other dicts, lists and tuples are walked;
            anything else is returned as it is. A type of another package, ``mmdet.FPN``, takes its
            options as they stand: what they describe is that package's to build.
        path: Where the config stands, for messages: ``model``, ``train.dataset``.

    Returns:
        The object, or the container with its entries built.

    Raises:
        BuildError: If a type is unknown, an option is misspelt or missing, or a constructor
            refuses its arguments.
    """
    if isinstance(config, dict):
        if _guest(config.get("type")):
            return _construct(dict(config), path)
        parts = {key: build(value, f"{path}.{key}") for key, value in config.items()}
        return _construct(parts, path) if "type" in parts else parts
    if isinstance(config, list | tuple):
        return type(config)(build(item, f"{path}[{i}]") for i, item in enumerate(config))
    return config


def _construct(parts: dict[str, Any], path: str) -> Any:
    factory = _find(parts.pop("type"), path)
    _check_options(factory, parts, path)
    try:
        return factory(**parts)
    except BuildError:
        raise
    except (TypeError, ValueError, KeyError, OSError) as error:
        raise BuildError(f"{path}: {_name(factory)}: {error}") from error


def _find(kind: Any, path: str) -> Callable[..., Any]:
    if callable(kind):
        return kind  # type: ignore[no-any-return]
    if host := _guest(kind):
        try:
            return import_module(host).find(kind.partition(".")[2])  # type: ignore[no-any-return]
        except (ValueError, LookupError) as error:
            raise BuildError(f"{path}: {error}") from error
    for registry in _ALL:
        registry.import_from_location()
        if kind in registry.module_dict:
            found: Callable[..., Any] = registry.module_dict[kind]
            return found
    known = sorted({name for registry in _ALL for name in registry.module_dict})
    raise BuildError(f"{path}: unknown type '{kind}'{_nearest(str(kind), known)}")


def _guest(kind: Any) -> str | None:
    """Return the module that knows the parts of another package; None for a type of ours."""
    return _GUESTS.get(kind.partition(".")[0]) if isinstance(kind, str) and "." in kind else None


def _check_options(factory: Callable[..., Any], options: dict[str, Any], path: str) -> None:
    parameters = inspect.signature(factory).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for option in options:
        if option not in parameters:
            hint = _nearest(str(option), list(parameters))
            raise BuildError(f"{path}: {_name(factory)} has no option '{option}'{hint}")
    for name, parameter in parameters.items():
        positional = parameter.kind is not parameter.VAR_POSITIONAL
        if positional and parameter.default is parameter.empty and name not in options:
            raise BuildError(f"{path}: {_name(factory)} needs the key '{name}', which is missing")


def _name(factory: Callable[..., Any]) -> str:
    return getattr(factory, "__name__", repr(factory))


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
