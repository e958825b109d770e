"""The model zoo in words: a table of all models, and all that is known of one."""

from collections.abc import Iterable, Sequence

from ovdet.apis.fetching import folder_of, missing
from ovdet.apis.zoo import FORMATS, Release, ZooEntry, find, names
from ovdet.structures import InputError
from ovdet.structures.files import zoo_folder

BEGIN, END = "<!-- models -->", "<!-- end of models -->"
_HEAD = ("name", "what it is", "use", "MB", "tasks")
_FLAGS = {"free": "free", "non-commercial": "NON-COMMERCIAL", "unclear": "unclear"}


def entries() -> list[ZooEntry | Release]:
    """Return all models of the zoo, by name.

    Raises:
        InputError: If there is no zoo, or one of its files is no entry.
    """
    return [find(name) for name in names()]


def table(models: Sequence[ZooEntry | Release]) -> list[str]:
    """Return the models as lines of a table, which of them are here among the columns."""
    rows: list[tuple[str, ...]] = [(*_HEAD, "here")]
    rows += [(*_row(model), "yes" if is_here(model) else "no") for model in models]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join(row).rstrip() for row in padded]


def markdown(models: Iterable[ZooEntry | Release]) -> str:
    """Return the models as a table of Markdown, for ``model_zoo/README.md``."""
    head = (*_HEAD, "licence", "published figures", "sha256")
    lines = [_joined(head), _joined(["---"] * len(head))]
    for model in models:
        card = model.card
        known = "known" if model.sha256 else "not known"
        lines.append(_joined([*_row(model), card.licence, "; ".join(card.figures), known]))
    return "\n".join(lines)


def write_readme() -> str:
    """Return the zoo's README with the table of today between its two marks.

    Raises:
        InputError: If there is no zoo, its README lacks a mark, or one of its files is no entry.
    """
    path = zoo_folder() / "README.md"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    before, begin, rest = text.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{path}: must hold {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{markdown(entries())}\n\n{END}{behind}"


def describe(model: ZooEntry | Release) -> list[str]:
    """Return all that is known of a model, a line each."""
    card = model.card
    facts = {
        "name": model.name,
        "about": card.about,
        "licence": card.licence or "none stated",
        "use": _FLAGS[card.use],
        "tasks": ", ".join(card.tasks),
        "size": "not known" if card.size is None else f"{card.size} MB",
        "paper": card.paper,
        **_origin(model),
        "sha256": model.sha256 or "not known: the file cannot be told from another",
        "note": card.note,
    }
    lines = [f"{key:8}  {value}" for key, value in facts.items() if value]
    return lines + [f"{'figure':8}  {figure}" for figure in card.figures]


def is_here(model: ZooEntry | Release) -> bool:
    """Tell whether a model's files are on this machine."""
    if isinstance(model, ZooEntry):
        return model.weights.is_file()
    try:
        return missing(model) is None
    except InputError:  # the cache is off
        return False


def _origin(model: ZooEntry | Release) -> dict[str, str]:
    if isinstance(model, ZooEntry):
        return {"config": str(model.config), "weights": str(model.weights)}
    try:
        place = str(folder_of(model) / model.file)
    except InputError as error:
        place = str(error)
    return {model.source: model.address, "format": FORMATS[model.format], "place": place}


def _row(model: ZooEntry | Release) -> tuple[str, ...]:
    card = model.card
    size = "" if card.size is None else str(card.size)
    return model.name, card.about, _FLAGS[card.use], size, ", ".join(card.tasks)


def _joined(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
