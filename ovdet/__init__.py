"""ovdet: name any classes in plain text, get boxes and masks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ovdet.apis import Model, PanopticResult, Result, SemanticResult, Tiled, load
    from ovdet.data.splits import vocabulary
    from ovdet.structures import InputError, Vocabulary
    from ovdet.structures.prompts import Prompt, Prompts, Shown
    from ovdet.text import read_table

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "Model",
    "PanopticResult",
    "Prompt",
    "Prompts",
    "Result",
    "SemanticResult",
    "Shown",
    "Tiled",
    "Vocabulary",
    "__version__",
    "load",
    "read_table",
    "vocabulary",
]

# `import ovdet` stays light: torch and everything above it is imported at first use.
_HOMES = {
    "InputError": "ovdet.structures",
    "Model": "ovdet.apis",
    "PanopticResult": "ovdet.apis",
    "Prompt": "ovdet.structures.prompts",
    "Prompts": "ovdet.structures.prompts",
    "Result": "ovdet.apis",
    "SemanticResult": "ovdet.apis",
    "Shown": "ovdet.structures.prompts",
    "Tiled": "ovdet.apis",
    "Vocabulary": "ovdet.structures",
    "load": "ovdet.apis",
    "read_table": "ovdet.text",
    "vocabulary": "ovdet.data.splits",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ovdet' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
