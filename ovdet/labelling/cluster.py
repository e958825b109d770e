"""Workers on a cluster: Ray Data maps the blocks over actors with a model each.

Pictures, and a checkpoint, must lie where every machine finds them under the same path. Records
come back to this process, which alone writes.
"""

import json
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from ovdet.labelling.labeller import Labeller, Make
from ovdet.labelling.parts import Block, Record
from ovdet.labelling.plan import Plan, Question
from ovdet.structures import InputError

LOCAL = "local"
_MOST_TASKS = 10_000  # Ray keeps facts of each in memory
_PICTURES = 8  # a task, so that results come soon; more where there would be too many tasks


def label_on_ray(
    plan: Plan, blocks: Sequence[Block], make: Make, count: int, address: str
) -> Generator[list[Record], None, None]:
    """Yield the records of each block as they are done.

    Args:
        plan: The plan.
        blocks: What is to be done.
        make: Gives an actor its model; called with 0, as an actor sees no GPU but its own.
        count: Actors, at least 1.
        address: Of the cluster, as ``ray://host:10001`` or ``auto``; ``local`` starts one here.

    Raises:
        ImportError: If Ray is not installed.
        ConnectionError: If there is no such cluster.
        ChildProcessError: If an actor fails.
    """
    ray = _ray()
    _connect(ray, address, count * plan.threads)
    try:
        yield from _map(ray, plan, blocks, make, count)
    except ray.exceptions.RayError as error:
        raise ChildProcessError(f"Ray: {_reason(error)}; what is done is kept") from error
    finally:
        ray.shutdown()


def _ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it tells nobody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what ends the work is told by us
    try:
        import ray.data
    except ImportError as error:
        raise ImportError(f'--ray needs Ray: pip install "ovdet[ray]" ({error})') from error
    return ray


def _connect(ray: Any, address: str, cpus: int) -> None:
    here: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False}
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        ray.init(address=address, **quiet, **(here if address == LOCAL else {}))
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ConnectionError(f"--ray {address}: no cluster there: {reason}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def _reason(error: BaseException) -> str:
    """Return the last line of what Ray says: above it stand traces."""
    line = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
    return line.removeprefix(f"{InputError.__module__}.{InputError.__name__}: ")


def _map(
    ray: Any, plan: Plan, blocks: Sequence[Block], make: Make, count: int
) -> Iterator[list[Record]]:
    task = plan.task
    rows = [
        {"block": json.dumps([(index, str(task.path(index))) for index in block])}
        for block in blocks
    ]
    wanted = max(count, len(blocks) * task.batch // _PICTURES)
    tasks = min(len(rows), wanted, _MOST_TASKS)
    gpus = min(1.0, ray.cluster_resources().get("GPU", 0) / count)
    needs: dict[str, Any] = {"num_gpus": gpus} if gpus else {"num_cpus": plan.threads}
    done = ray.data.from_items(rows, override_num_blocks=tasks).map_batches(
        Actor,
        fn_constructor_args=(make, task.question, plan.threads),
        batch_size=1,  # a row is a block already
        concurrency=count,
        **needs,
    )
    for row in done.iter_rows():
        yield json.loads(row["records"])


class Actor:
    """A labeller in a process of Ray's.

    Args:
        make: Gives the model.
        question: What is asked.
        threads: Threads of torch.
    """

    def __init__(self, make: Make, question: Question, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._labeller = Labeller(make(0), question)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Label a batch of blocks: JSON of (place, path) in, JSON of records out."""
        records = [json.dumps(self._labeller(json.loads(block))) for block in batch["block"]]
        return {"records": records}
