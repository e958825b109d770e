"""A folder in transformers' format: what it says of itself, and its weights."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ovdet.structures import InputError, read_json
from ovdet.structures.weights import read_folder_weights

CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_PICTURES = ("preprocessor_config.json", "processor_config.json")
_TOKENS = ("tokenizer.json", "vocab.txt", "vocab.json")
_FAULTS = (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError)
_SHOWN = 5


@dataclass(frozen=True)
class Folder:
    """A model on disk.

    Attributes:
        path: The folder.
        kind: transformers' name of the architecture, its ``model_type``.
        facts: transformers' own configuration object, with all defaults filled in.
    """

    path: Path
    kind: str
    facts: Any

    def weights(self) -> dict[str, Tensor]:
        """Return the weights by transformers' names, of one file or of several.

        Raises:
            InputError: If there is no file, or one is damaged.
        """
        return read_folder_weights(self.path, _WEIGHTS)

    def load(self, kind: str) -> nn.Module:
        """Return transformers' own module with the weights, in float32 and evaluation mode.

        Args:
            kind: Name of the class.

        Raises:
            InputError: If transformers has no such class, or the weights are not those of it.
        """
        import transformers

        factory = getattr(transformers, kind, None)
        if factory is None:
            raise InputError(f"{self.path}: needs {kind}, which this version of transformers lacks")
        try:
            model, report = factory.from_pretrained(
                str(self.path),
                config=self._facts_for(factory),
                local_files_only=True,
                output_loading_info=True,
            )
        except _FAULTS as error:
            raise InputError(f"{self.path}: cannot be read as {kind}: {_first(error)}") from error
        _check(report, f"{self.path}: is no {kind}")
        loaded: nn.Module = model.float().eval()
        return loaded

    def _facts_for(self, factory: Any) -> Any:
        """Return the configuration as a class wants it: folders of videos hold picture models."""
        wanted = factory.config_class
        if isinstance(self.facts, wanted):
            return self.facts
        return wanted.from_pretrained(str(self.path), local_files_only=True)

    def pictures(self, kind: str, **defaults: Any) -> Any:
        """Return how pictures become network input: transformers' image processor.

        Args:
            kind: Name of its class.
            defaults: Its options where the folder does not say any.

        Raises:
            InputError: If the folder's file of them cannot be used.
        """
        import transformers

        factory = getattr(transformers, kind)
        if not any((self.path / name).is_file() for name in _PICTURES):
            return factory(**defaults)
        try:
            return factory.from_pretrained(str(self.path), local_files_only=True)
        except _FAULTS as error:
            raise InputError(f"{self.path}: its image processor: {_first(error)}") from error

    def tokenizer(self) -> Any:
        """Return the folder's own tokenizer.

        Raises:
            InputError: If it lacks the files or they cannot be used.
        """
        from transformers import AutoTokenizer

        # Asked first: without any, some versions of transformers make an empty tokenizer.
        if not any((self.path / name).is_file() for name in _TOKENS):
            raise InputError(f"{self.path}: must hold its tokenizer, {' or '.join(_TOKENS)}")
        try:
            return AutoTokenizer.from_pretrained(str(self.path), local_files_only=True)
        except _FAULTS as error:
            raise InputError(f"{self.path}: its tokenizer: {_first(error)}") from error


def kind_of(path: Path) -> Any:
    """Return a folder's ``model_type``; None where it says none or there is no configuration.

    Raises:
        InputError: If the configuration is no JSON.
    """
    if not (path / CONFIG).is_file():
        return None
    record = read_json(path / CONFIG)
    return record.get("model_type") if isinstance(record, dict) else None


def read_folder(path: Path, known: Collection[str], listed: str) -> Folder:
    """Read what a folder says of itself.

    Args:
        path: The folder.
        known: Architectures that can be used.
        listed: How a message names them.

    Raises:
        InputError: If there is no such folder, its configuration cannot be read, or it is of an
            architecture that is not known.
    """
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder; {listed}")
    if not (path / CONFIG).is_file():
        raise InputError(f"{path}: must hold transformers' {CONFIG}, it does not; {listed}")
    kind = kind_of(path)
    if kind not in known:
        raise InputError(f"{path / CONFIG}: architecture {kind!r} cannot be used; {listed}")
    from transformers import AutoConfig

    try:
        facts = AutoConfig.from_pretrained(str(path), local_files_only=True)
    except _FAULTS as error:
        raise InputError(f"{path / CONFIG}: cannot be used: {_first(error)}") from error
    return Folder(path, str(kind), facts)


def fill(module: nn.Module, weights: dict[str, Tensor], place: Path) -> None:
    """Fill a module with weights of exactly its names and shapes.

    Raises:
        InputError: If a name is missing, unknown, or of another shape.
    """
    own = module.state_dict()
    shared = own.keys() & weights.keys()
    _tell(own.keys() - shared, f"{place}: lacks weights")
    _tell(weights.keys() - shared, f"{place}: holds unknown weights")
    other = {name for name in shared if own[name].shape != weights[name].shape}
    _tell(other, f"{place}: holds weights of other sizes than {CONFIG} says")
    module.load_state_dict(weights)


def _tell(names: Collection[str], what: str) -> None:
    """Raise InputError if there are names: how many, and the first five."""
    if names:
        shown = ", ".join(sorted(names)[:_SHOWN])
        raise InputError(f"{what}, {len(names)}: {shown}")


def _check(report: dict[str, Any], what: str) -> None:
    """Refuse a model of which weights are missing or of another shape.

    Some versions of transformers list what does not fit instead of raising.
    """
    _tell([str(name) for name in report.get("missing_keys") or ()], f"{what}, it lacks weights")
    other = [str(name) for name in report.get("mismatched_keys") or ()]
    _tell(other, f"{what}, it has weights of other sizes")


def _first(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
