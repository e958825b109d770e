"""Is this machine fit: packages, devices, back ends, files and cache, and what mends what is not.

Nothing is imported with the package itself: whatever is broken or missing is met while looking,
and told.
"""

from collections.abc import Callable, Iterable, Iterator

from ovdet.checkup import backends, cache, devices, packages, system
from ovdet.checkup.findings import GOOD, NOTE, WRONG, Finding, guarded

__all__ = ["GOOD", "NOTE", "WRONG", "Finding", "examine"]

SECTIONS: dict[str, Callable[[], Iterable[Finding]]] = {
    "ovdet": packages.look_at_itself,
    "packages": packages.look_at_dependencies,
    "extras": packages.look_at_extras,
    "devices": devices.look,
    "back ends": backends.look,
    "system": system.look,
    "cache and models": cache.look,
}


def examine() -> Iterator[tuple[str, list[Finding]]]:
    """Look at everything; yield the title of each section and what was found, as it is found."""
    for title, look in SECTIONS.items():
        yield title, guarded(look, title)
