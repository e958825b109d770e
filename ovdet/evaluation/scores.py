"""What a protocol measured, as a file for programs and one for people."""

import hashlib
import json
import math
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ovdet.evaluation.names import PROTOCOLS
from ovdet.evaluation.protocols import Answer, Question, find_protocol, headline, percent
from ovdet.structures import atomic_write

_CHUNK = 2**20
_OF_CLASSES = {"AP", "AP50", "PQ", "IoU"}
_COUNTS = {"classes", "absent classes", "images", "captions", "sets", "phrases", "expressions"}
_WIDEST = 10


def write_scores(folder: Path, name: str, question: Question, answer: Answer) -> list[Path]:
    """Write ``scores.json`` and ``scores.md``.

    Both name the protocol, the files and the class names with their sha256, and the version, so
    that others can check. Figures of single classes stand in a table of their own.

    Args:
        folder: Where to write; made where it is missing.
        name: The protocol's.
        question: What was measured.
        answer: What came out.

    Returns:
        The files that were written.

    Raises:
        OSError: If the folder cannot be written to.
    """
    record = describe(name, question, answer)
    figures = {key: None if math.isnan(value) else value for key, value in answer.figures.items()}
    files = {
        "scores.json": (json.dumps(record | {"figures": figures}, indent=1) + "\n").encode(),
        "scores.md": _markdown(record, answer).encode(),
    }
    for key, data in files.items():
        atomic_write(folder / key, data)
    return [folder / key for key in files]


def describe(name: str, question: Question, answer: Answer) -> dict[str, Any]:
    """Return what was measured, without the figures."""
    protocol = find_protocol(name)
    record: dict[str, Any] = {
        "protocol": name,
        "about": PROTOCOLS[name],
        "headline": headline(protocol, answer.figures),
        "truth": _identify(question.truth),
        "results": _identify(question.results),
        "version": _version(),
        "notes": list(answer.notes),
    }
    if protocol.kinds:
        record |= {"kind": question.kind, "backend": question.backend}
    if name == "semantic":
        record |= {"absent": question.absent, "last": question.last}
    if question.vocabulary is not None:
        names, novel = question.vocabulary.names, question.vocabulary.novel_mask
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        record["classes"] = {"count": len(names), "novel": sum(novel), "names_sha256": digest}
    return record


def _version() -> str:
    try:
        return f"ovdet {version('ovdet')}"
    except PackageNotFoundError:
        return "ovdet, a checkout that was not installed"


def table(figures: dict[str, float]) -> list[str]:
    """Return figures as a Markdown table: a line for each measure, a column for each group, in %.

    Many groups, such as the sets of ODinW, have a line each instead. Figures of single classes,
    which no published table has, are left out; so are counts.
    """
    rows: dict[str, dict[str, float]] = {}
    groups: dict[str, None] = {}
    for key, value in figures.items():
        group, _, measure = key.rpartition("/")
        if key not in _COUNTS and key.split("/")[0] not in _OF_CLASSES:
            rows.setdefault(measure, {})[group] = value
            groups[group] = None
    cells = {(g, m): percent(row[g]) for m, row in rows.items() for g in row}
    across, down = (list(groups), list(rows))
    turned = len(across) > _WIDEST
    if turned:
        across, down = down, across
    lines = [["", *across], ["---", *("---:" for _ in across)]]
    lines += [
        [line, *(cells.get((line, c) if turned else (c, line), "") for c in across)]
        for line in down
    ]
    return [f"| {' | '.join(line)} |" for line in lines]


def _markdown(record: dict[str, Any], answer: Answer) -> str:
    what = f"{record['protocol']}, {record['kind']}" if "kind" in record else record["protocol"]
    files = [
        f"- {key}: `{record[key]['name']}`, sha256 `{record[key].get('sha256', 'a folder')}`"
        for key in ("truth", "results")
    ]
    if "classes" in record:
        names = record["classes"]
        files.append(
            f"- classes: {names['count']}, {names['novel']} of them novel; names, a line each, "
            f"sha256 `{names['names_sha256']}`"
        )
    parts = [
        f"# {what}: {record['headline']}",
        f"{record['about']}; figures in %, - is what cannot be measured. {record['version']}.",
        "\n".join(files),
        *(f"Note: {note}." for note in record["notes"]),
        "\n".join(table(answer.figures)),
    ]
    if single := _of_classes(answer.figures):
        parts += ["## Classes", "\n".join(single)]
    return "\n\n".join(parts) + "\n"


def _of_classes(figures: dict[str, float]) -> list[str]:
    """Return the figures of single classes as a Markdown table, a line each; nothing without."""
    rows: dict[str, dict[str, float]] = {}
    measures: dict[str, None] = {}
    for key, value in figures.items():
        measure, _, name = key.partition("/")
        if measure in _OF_CLASSES and name:
            rows.setdefault(name, {})[measure] = value
            measures[measure] = None
    if not rows:
        return []
    lines = [["class", *measures], ["---", *("---:" for _ in measures)]]
    for name, row in rows.items():
        shown = " ".join(name.split()).replace("|", "\\|")
        lines.append([shown, *(percent(row.get(m, math.nan)) for m in measures)])
    return [f"| {' | '.join(line)} |" for line in lines]


def _identify(path: Path) -> dict[str, str]:
    """Return a file's name and sha256; a folder has its name alone."""
    if not path.is_file():
        return {"name": path.name}
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {"name": path.name, "sha256": digest.hexdigest()}
