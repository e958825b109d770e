"""The work and what comes of it: results into parts, parts into files."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ovdet.apis.table import printable
from ovdet.labelling.cluster import label_on_ray
from ovdet.labelling.formats import Writer
from ovdet.labelling.labeller import Make
from ovdet.labelling.parts import Parts, PartWriter
from ovdet.labelling.plan import BAD, SUMMARY, Plan
from ovdet.labelling.progress import Progress
from ovdet.labelling.summary import write_summary
from ovdet.labelling.workers import label_here
from ovdet.structures import atomic_file


@dataclass(frozen=True)
class Report:
    """What a plan's labelling has come to.

    Attributes:
        done: Pictures that were labelled.
        objects: Objects found in them.
        bad: Pictures that were not.
        files: What was written, by the names of formats, and ``summary``.
    """

    done: int
    objects: int
    bad: int
    files: dict[str, Path]


def label(plan: Plan, make: Make, *, workers: int = 1, ray: str | None = None) -> Parts:
    """Do what is left of a plan; return all results.

    Pictures that were bad are tried again: a file may have been repaired.

    Args:
        plan: The plan.
        make: Gives the worker of a number its model; it travels to other processes.
        workers: Processes with a model each, at least 1.
        ray: The address of a cluster on which they run; here when None.

    Raises:
        InputError: If the model cannot be loaded or asked this.
        OSError: If results cannot be written, or workers end one after the other.
    """
    parts = Parts(plan)
    blocks = parts.todo()
    if not blocks:
        return parts
    total = len(plan.task.pictures)
    progress = Progress(total, total - sum(len(block) for block in blocks))
    if ray is None:
        source = label_here(plan, blocks, make, workers, progress.say)
    else:
        source = label_on_ray(plan, blocks, make, workers, ray)
    with PartWriter(plan) as writer, closing(source):
        for records in source:
            writer.add(records)
            progress.add(len(records), sum("bad" in record for record in records))
    progress.close()
    return Parts(plan)


def export(parts: Parts, writers: Mapping[str, Writer]) -> Report:
    """Write what is asked for, the list of bad pictures and the summary.

    Args:
        parts: The results.
        writers: By name; see ``ovdet.labelling.formats.writers``.

    Raises:
        OSError: If a file cannot be written.
    """
    out = parts.plan.out
    files = {name: write(parts) for name, write in writers.items()}
    bad = 0
    with atomic_file(out / BAD) as file:
        for name, reason in parts.bad():
            file.write(f"{printable(name)}\t{printable(reason)}\n".encode())
            bad += 1
    objects = write_summary(parts, out / SUMMARY)
    return Report(len(parts), objects, bad, files | {"summary": out / SUMMARY})
