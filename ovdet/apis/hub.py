"""The Hugging Face hub, through its own library: a model's files into a folder."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ovdet.structures import InputError

_WEIGHTS = (".safetensors", ".bin")
_INDEX = ".index.json"
_FACTS = (".json", ".txt", ".model")
_T = TypeVar("_T")


def fetch_folder(model: str, folder: Path) -> None:
    """Fetch what transformers needs of a model, the weights last: they mark the folder whole.

    Files that are there already stay; one that broke off goes on where it did.

    Args:
        model: The hub's id, ``owner/name``.
        folder: Where the files go.

    Raises:
        InputError: If there is no such model, it is gated, it holds no weights in a format that
            transformers reads, or the hub cannot be reached.
    """
    import huggingface_hub as hub

    with _quiet():
        listed = _ask(model, lambda: hub.HfApi().list_repo_files(model))
        for file in _needed(listed, model):
            _ask(model, lambda file=file: hub.hf_hub_download(model, file, local_dir=folder))  # type: ignore[misc]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's library from telling each of its five attempts; the last one is an error."""
    log = logging.getLogger("huggingface_hub")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _needed(listed: Iterable[str], model: str) -> list[str]:
    """Return the files at the top that matter, in the order in which they are to come."""
    files = sorted(name for name in listed if "/" not in name)
    facts = [name for name in files if name.endswith(_FACTS) and not name.endswith(_INDEX)]
    for ending in _WEIGHTS:
        weights = [name for name in files if name.endswith(ending)]
        if weights:
            index = [name for name in files if name.endswith(f"{ending}{_INDEX}")]
            return facts + weights + index
    raise InputError(f"{model}: holds no weights, none of its files ends in {', '.join(_WEIGHTS)}")


def _ask(model: str, question: Callable[[], _T]) -> _T:
    from huggingface_hub import errors

    try:
        return question()
    except errors.GatedRepoError as error:
        raise InputError(
            f"{model}: is gated: accept its terms on its page of the hub, then log in (hf auth "
            "login) and try again"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"{model}: the hub has no such model, or shows it to no one") from error
    except Exception as error:
        first = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{model}: cannot be fetched from the hub: {first}") from error
