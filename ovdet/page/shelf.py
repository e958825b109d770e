"""The models of the page: those on this machine, each loaded once and kept."""

import threading
from collections.abc import Callable

from ovdet.apis import Model
from ovdet.apis.cards import entries, is_here
from ovdet.apis.zoo import DEFAULT
from ovdet.structures import InputError

_FINDERS = {"boxes by name", "masks by name"}  # of a card's tasks, those the page can show


class Shelf:
    """Models by name.

    Args:
        load: Loads a model by its name.
        first: The model that the page opens with: any name that ``load`` takes.
        others: Further names.
    """

    def __init__(
        self, load: Callable[[str], Model], first: str = DEFAULT, others: tuple[str, ...] = ()
    ) -> None:
        self.names = tuple(dict.fromkeys((first, *others)))
        self._load = load
        self._kept: dict[str, Model] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Model:
        """Return a model; who asks while it is being loaded waits.

        Raises:
            InputError: If it does not stand here, or cannot be loaded.
        """
        if name not in self.names:
            raise InputError(f"model must be one of {', '.join(self.names)}, got {name!r}")
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._load(name)
            return self._kept[name]


def present() -> tuple[str, ...]:
    """Return the names of the zoo's detectors whose files are on this machine.

    Raises:
        InputError: If there is no zoo, or one of its files is no entry.
    """
    return tuple(e.name for e in entries() if _FINDERS & set(e.card.tasks) and is_here(e))
