"""Metrics as a small table."""

import json
import math
from collections.abc import Mapping

GROUPS = ("novel", "base", "all")
FURTHER = ("weighted", "rare", "common", "frequent", "things", "stuff", "seen", "unseen")


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Return lines: one for each measure that is given for groups, in %, then the others.

    Novel, base and all have a column each, other groups where they occur.

    Args:
        metrics: Names like ``coco/bbox/novel/AP50`` or ``zero_shot/top1``; NaN means that there
            was nothing to measure on.
    """
    rows: dict[str, dict[str, float]] = {}
    plain: dict[str, float] = {}
    for name, value in metrics.items():
        parts = name.split("/")
        group = next((part for part in parts if part in GROUPS + FURTHER), None)
        if group is None:
            plain[name] = value
        else:
            parts.remove(group)
            rows.setdefault("/".join(parts), {})[group] = value
    width = max((len(name) for name in [*rows, *plain]), default=0)
    groups = [*GROUPS, *(g for g in FURTHER if any(g in row for row in rows.values()))]
    lines = []
    if rows:
        lines.append(" " * width + "".join(f"{group:>{_width(group)}}" for group in groups))
    for name, row in rows.items():
        cells = "".join(f"{_percent(row.get(group)):>{_width(group)}}" for group in groups)
        lines.append(f"{name:<{width}}{cells}")
    lines += [f"{name:<{width}}{value:>8.4g}" for name, value in plain.items()]
    return "\n".join(lines)


def encode_metrics(metrics: Mapping[str, float]) -> bytes:
    """Return metrics as JSON; what could not be measured (NaN) is null, which JSON knows."""
    known = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    return (json.dumps(known, indent=1) + "\n").encode()


def _width(group: str) -> int:
    return max(8, len(group) + 2)


def _percent(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}"
