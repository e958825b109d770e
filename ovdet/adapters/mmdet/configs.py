"""mmdet's configs: read with their bases, named classes, nothing that would be downloaded."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ovdet.structures import InputError

_LOG = logging.getLogger("ovdet")
_MARK = "::"


def read_config(name: str, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config of mmdet's kind and its bases.

    Args:
        name: A file, or ``mmdet::folder/file.py`` for one that mmdet brings along.
        options: Entries to change, by dotted key: ``{"model.backbone.depth": 18}``.

    Raises:
        InputError: If the file or a base is missing, is not a config, or has no model.
    """
    path = _packaged(name) if _MARK in name else Path(name)
    if not path.is_file():
        raise InputError(f"{name}: there is no such config of mmdet's kind")
    try:
        with _bases_without_pkg_resources():
            config = Config.fromfile(str(path))
        config.merge_from_dict(dict(options or {}))
    except (SyntaxError, NameError, ImportError, LookupError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{name}: is not a config: {type(error).__name__}: {said}") from error
    except (OSError, AttributeError) as error:
        raise InputError(f"{name}: cannot be read: {error}") from error
    if not isinstance(config.get("model"), Mapping):
        raise InputError(f"{name}: must describe a model under the key 'model'")
    return config


def _packaged(name: str) -> Path:
    """Return where an installed package keeps a config; mmengine's installer puts it in .mim."""
    package, _, rest = name.partition(_MARK)
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"{name}: the package {package} is not installed")
    return Path(spec.origin).parent / ".mim/configs" / rest


@contextmanager
def _bases_without_pkg_resources() -> Iterator[None]:
    """Resolve ``package::`` bases by ``importlib``; mmengine asks a module that setuptools lost."""
    inside = Config._get_cfg_path

    def resolve(base: str, filename: str) -> tuple[str, str | None]:
        if _MARK in base:
            return str(_packaged(base)), base.partition(_MARK)[0]
        found: tuple[str, str | None] = inside(base, filename)
        return found

    Config._get_cfg_path = staticmethod(resolve)
    try:
        yield
    finally:
        Config._get_cfg_path = staticmethod(inside)


def without_downloads(config: Any, place: str = "model") -> None:
    """Take out, in place, every start from weights that lie on a server; each is told."""
    if isinstance(config, list | tuple):
        for index, item in enumerate(config):
            without_downloads(item, f"{place}.{index}")
        return
    if not isinstance(config, dict):
        return
    start = config.get("init_cfg")
    if isinstance(start, dict) and "://" in str(start.get("checkpoint")):
        _LOG.info("%s: starts from random weights, not from %s", place, start["checkpoint"])
        config["init_cfg"] = None
    for key, value in config.items():
        without_downloads(value, f"{place}.{key}")


def class_names(config: Config) -> tuple[str, ...]:
    """Return the names of a config's data set; empty where it tells none."""
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        names = _names_of((config.get(loader) or {}).get("dataset"))
        if names:
            return names
    return ()


def _names_of(dataset: Any) -> tuple[str, ...]:
    while isinstance(dataset, Mapping):
        told = (dataset.get("metainfo") or {}).get("classes")
        if told:
            return (told,) if isinstance(told, str) else tuple(told)
        inner = dataset.get("dataset") or next(iter(dataset.get("datasets") or ()), None)
        if inner is None:
            return _own_names(dataset.get("type"))
        dataset = inner
    return ()


def _own_names(kind: Any) -> tuple[str, ...]:
    """Return the names that mmdet's data set class has of itself."""
    import mmdet.datasets  # noqa: F401 - fills the registry
    from mmdet.registry import DATASETS

    found = DATASETS.get(kind) if isinstance(kind, str) else kind
    return tuple(getattr(found, "METAINFO", {}).get("classes", ()))
