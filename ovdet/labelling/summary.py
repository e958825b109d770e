"""The summary: a page with counts and scores of each class and a contact sheet; no other file."""

from collections.abc import Iterator
from html import escape
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovdet.apis.draw import class_colour
from ovdet.apis.table import printable
from ovdet.labelling.counts import BINS, Counts, count
from ovdet.labelling.parts import Parts
from ovdet.labelling.plan import BAD
from ovdet.labelling.sheet import thumbnail
from ovdet.labelling.style import STYLE
from ovdet.structures import atomic_file

_SHEET = 24  # pictures of the contact sheet
_LISTED = 20  # bad files that are named


def write_summary(parts: Parts, path: Path) -> int:
    """Write the page; return how many objects there are.

    Raises:
        OSError: If it cannot be written.
    """
    counts = count(parts, _SHEET)
    with atomic_file(path) as file:
        for piece in _page(parts, counts):
            file.write(piece.encode("utf-8", "backslashreplace"))
    return int(counts.objects.sum())


def _page(parts: Parts, counts: Counts) -> Iterator[str]:
    task = parts.plan.task
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Labels of {_text(task.root.name)}</title>\n<style>\n{STYLE}</style></head>\n"
    )
    threshold = "the model's own" if (least := task.question.threshold) is None else f"{least:g}"
    yield (
        f"<body><h1>Labels of {_text(str(task.root))}</h1>\n<p>Found by <b>{_text(task.model)}</b>"
        f"; least score: {threshold}. Not checked by anyone yet.</p>\n"
    )
    yield from _figures(parts, counts)
    yield from _classes(parts, counts)
    yield from _sheet(parts, counts)
    yield from _bad(parts)
    yield "</body></html>\n"


def _figures(parts: Parts, counts: Counts) -> Iterator[str]:
    bad = len(parts.plan.task.pictures) - len(parts)
    figures = {
        "pictures labelled": len(parts),
        "objects": int(counts.objects.sum()),
        "classes found": int((counts.objects > 0).sum()),
        "pictures without objects": counts.empty,
        "files that are bad": bad,
    }
    tiles = [f"<div><b>{number:,}</b>{name}</div>" for name, number in figures.items()]
    yield f'<div class="figures">{"".join(tiles)}</div>\n'


def _classes(parts: Parts, counts: Counts) -> Iterator[str]:
    names = parts.plan.task.question.vocabulary.names
    most = max(1, int(counts.objects.max()))
    yield (
        '<h2>Classes</h2>\n<table><tr><th>class<th class="n">objects<th><th class="n">pictures'
        '<th class="n">mean score<th>scores, 0 to 1</tr>\n'
    )
    everything = counts.scores.sum(axis=0)
    with_any = len(parts) - counts.empty
    facts = (int(everything.sum()), with_any, float(counts.total.sum()))
    yield _row("all classes", "#555", facts, 0.0, everything)
    for row in np.argsort(-counts.objects, kind="stable").tolist():
        colour = "rgb({}, {}, {})".format(*class_colour(names[row]))
        found = int(counts.objects[row])
        facts = (found, int(counts.pictures[row]), float(counts.total[row]))
        yield _row(_text(names[row]), colour, facts, found / most, counts.scores[row])
    yield "</table>\n"


def _row(
    name: str,
    colour: str,
    facts: tuple[int, int, float],
    share: float,
    scores: NDArray[np.int64],
) -> str:
    objects, pictures, total = facts
    mean = f"{total / objects:.2f}" if objects else ""
    bar = f'<div class="bar" style="width:{100 * share:.1f}%;background:{colour}"></div>'
    bar = bar if share else ""
    return (
        f'<tr><td><i style="background:{colour}"></i>{name}<td class="n">{objects:,}'
        f'<td class="wide">{bar}<td class="n">{pictures:,}<td class="n">{mean}'
        f"<td>{_histogram(scores, colour)}</tr>\n"
    )


def _histogram(scores: NDArray[np.int64], colour: str) -> str:
    """Return bars over [0, 1], the highest of full height; each tells its count."""
    highest = int(scores.max())
    if not highest:
        return ""
    bars = []
    for place, number in enumerate(scores.tolist()):
        if number:
            height = max(1.0, 30 * number / highest)
            tip = f"{place / BINS:.2f} to {(place + 1) / BINS:.2f}: {number:,}"
            bars.append(
                f'<rect x="{8 * place}" y="{31 - height:.1f}" width="7" height="{height:.1f}">'
                f"<title>{tip}</title></rect>"
            )
    base = f'<path d="M0 31.5H{8 * BINS}" stroke="#bbb"/>'
    return f'<svg viewBox="0 0 {8 * BINS} 32" fill="{colour}">{base}{"".join(bars)}</svg>'


def _sheet(parts: Parts, counts: Counts) -> Iterator[str]:
    if not counts.sample:
        return
    yield f'<h2>{len(counts.sample)} pictures, drawn evenly</h2>\n<div class="sheet">\n'
    for picture in counts.sample:
        shown = thumbnail(parts.plan.task, picture)
        if shown is not None:
            name = _text(picture.name)
            yield f'<figure><img src="{shown}" alt="{name}">\n'
            yield f"<figcaption>{name}</figcaption></figure>\n"
    yield "</div>\n"


def _bad(parts: Parts) -> Iterator[str]:
    count = len(parts.plan.task.pictures) - len(parts)
    if not count:
        return
    yield f"<h2>Files that are bad</h2>\n<p>All {count:,} are in {BAD}.</p>\n<ul>\n"
    for name, reason in islice(parts.bad(), _LISTED):
        yield f"<li><b>{_text(name)}</b> {_text(reason)}</li>\n"
    yield "</ul>\n"


def _text(text: str) -> str:
    return escape(printable(text))
