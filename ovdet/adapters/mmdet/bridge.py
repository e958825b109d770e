"""mmcv's compiled half, where there is none: torch and torchvision answer in its place.

mmdet 3.3 takes mmcv below 2.2, which has wheels for no recent torch. mmcv-lite has the same Python
files without ``mmcv._ext``, the module they call. Python looks for that module as for any other,
and only after everyone else had none it comes here: a compiled mmcv is left alone.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

NAME = "mmcv._ext"


def install() -> None:
    """Let ``import mmcv.ops`` succeed without compiled operators; twice is as good as once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class _Finder(MetaPathFinder):
    """Knows one module. It stands last, so it is asked when no one else has it."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, _Loader(), is_package=True) if fullname == NAME else None


class _Loader(Loader):
    """Fills the module with our operators, and with a refusal for every other name."""

    def exec_module(self, module: ModuleType) -> None:
        from ovdet.adapters.mmdet import operators

        for name in operators.__all__:
            setattr(module, name, getattr(operators, name))
        module.__getattr__ = _missing  # type: ignore[method-assign]


def _missing(name: str) -> Callable[..., NoReturn]:
    """Stand in for a function that only a compiled mmcv has; mmcv asks for it on import."""
    if name.startswith("__"):
        raise AttributeError(f"module '{NAME}' has no attribute '{name}'")

    def refuse(*_tensors: Any, **_options: Any) -> NoReturn:
        raise NotImplementedError(
            f"mmcv's operator '{name}' is not bridged to torch: it needs a compiled mmcv"
        )

    return refuse
