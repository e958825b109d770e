"""What looking finds, a line each, and looking itself, which goes on whatever breaks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

GOOD, NOTE, WRONG = "good", "note", "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        said: How it is.
        state: ``GOOD``, ``NOTE`` (it works, or nobody may need it) or ``WRONG``.
        fix: The command that mends it; empty where there is nothing to mend.
    """

    name: str
    said: str
    state: str = GOOD
    fix: str = ""


def guarded(look: Callable[[], Iterable[Finding]], name: str) -> list[Finding]:
    """Return what a look finds; where it breaks off, what it had found and why.

    A look that breaks off stands on a package that is broken, which the packages' own look tells
    with its fix: here it is a note.

    Args:
        look: Yields findings.
        name: What is looked at.
    """
    found: list[Finding] = []
    try:
        found.extend(look())
    except Exception as error:  # noqa: BLE001 - whatever it is, the next look still helps
        found.append(Finding(name, f"cannot be told: {one_line(error)}", NOTE))
    return found


def one_line(error: BaseException) -> str:
    """Return an error as one line, with its kind where the text alone says little."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
