"""Ask a server from many sides at once: are answers right, how many a second, does memory stay.

Two servers are started, one that answers together and one that answers one by one, and asked in
turn in slices, each by the same clients over connections of their own. Every answer is compared
with what its picture got alone.

python tools/benchmarks/serve.py [--seconds 60] [--clients 64] [--max-batch 8] [--device auto]
"""

import argparse
import base64
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WORDS = 24  # names of a request
THRESHOLD = 0.05
FLAT = 0.05  # memory may grow by this after the warm-up
NEAR_SCORE, NEAR_PX = 1e-3, 0.1  # a convolution over eight pictures sums in another order


@dataclass
class Load:
    """What the clients saw of one server."""

    seconds: float = 0.0
    busy: float = 0.0
    times: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times) / self.seconds


class Server:
    """A server of this machine, and what it says of itself."""

    def __init__(self, address: str) -> None:
        self.address = address

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection."""
        return http.client.HTTPConnection(self.address, timeout=300)

    def figure(self, name: str) -> float:
        """Return one of its metrics."""
        connection = self.connect()
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 where all bounds hold, 1 where not."""
    parser = argparse.ArgumentParser(prog="serve.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of both servers")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--slices", type=int, default=4, help="turns of each server")
    parser.add_argument("--max-batch", type=int, default=8)
    parser.add_argument("--model", default="ovdet-tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=int, default=256, help="of the pictures, px")
    options = parser.parse_args(arguments)
    bodies = pictures(options.clients, options.side)
    how = ["--model", options.model, "--device", options.device, "--port", "0"]
    how += ["--queue", str(options.clients)]
    with ExitStack() as stack:
        together, alone = (
            stack.enter_context(started([*how, "--max-batch", str(most)]))
            for most in (options.max_batch, 1)
        )
        expected = [one_by_one(alone, body) for body in bodies]
        distinct = len({json.dumps(answer) for answer in expected})
        print(f"{len(bodies)} pictures, {distinct} distinct answers, {options.clients} clients")
        return compare(together, alone, bodies, expected, options)


def compare(
    together: Server,
    alone: Server,
    bodies: list[bytes],
    expected: list[Any],
    options: argparse.Namespace,
) -> int:
    """Ask both in turn and print what came out; the first turn of each is the warm-up."""
    loads = {together: Load(), alone: Load()}
    warm: dict[Server, float] = {}
    for turn in range(options.slices + 1):
        for server in (together, alone) if turn % 2 else (alone, together):
            load = Load() if turn == 0 else loads[server]
            ask(server, bodies, expected, load, options.seconds / options.slices)
            warm.setdefault(server, server.figure("process_resident_memory_bytes"))
            loads[server].wrong += load.wrong if turn == 0 else []
    held = True
    for server, name in ((alone, "one by one"), (together, f"up to {options.max_batch} together")):
        end = server.figure("process_resident_memory_bytes")
        held &= report(name, loads[server], warm[server], end)
    batches = together.figure("ovdet_batch_size_sum") / together.figure("ovdet_batch_size_count")
    gain = loads[together].rate / loads[alone].rate
    cost = [load.busy / max(len(load.times), 1) for load in loads.values()]
    print(f"together, a batch had {batches:.1f} pictures; throughput x {gain:.2f}")
    print(f"processor time an answer: x {cost[0] / cost[1]:.2f}")
    return 0 if held and gain >= 1 else 1


def report(name: str, load: Load, warm: float, end: float) -> bool:
    """Print what the clients saw; return whether the bounds hold."""
    cuts = statistics.quantiles(load.times, n=100)
    growth = end / warm - 1
    print(
        f"{name}: {len(load.times)} answers in {load.seconds:.1f} s, {load.rate:.1f} a second, "
        f"{load.busy / len(load.times) * 1000:.1f} ms of processor each; "
        f"p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms"
    )
    print(
        f"  lost or mixed up: {len(load.wrong)}; memory {warm / 2**20:.0f} MB after the warm-up, "
        f"{end / 2**20:.0f} MB at the end ({growth:+.1%})"
    )
    for text in load.wrong[:3]:
        print(f"  {text}")
    return not load.wrong and growth <= FLAT


def ask(
    server: Server, bodies: list[bytes], expected: list[Any], load: Load, seconds: float
) -> None:
    """Have one client a picture ask for some seconds; each waits for its answer, then goes on."""
    start = time.perf_counter()
    busy, stop = server.figure("process_cpu_seconds_total"), start + seconds
    threads = [
        threading.Thread(target=client, args=(server, body, answer, load, stop))
        for body, answer in zip(bodies, expected, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds += time.perf_counter() - start
    load.busy += server.figure("process_cpu_seconds_total") - busy


def client(server: Server, body: bytes, expected: Any, load: Load, stop: float) -> None:
    """Ask for one picture again and again; note times and what was wrong."""
    connection = server.connect()
    try:
        while (start := time.perf_counter()) < stop:
            status, answer = post(connection, body)
            load.times.append(time.perf_counter() - start)
            if status != 200:
                load.wrong.append(f"status {status}: {answer}")
            elif why := difference(answer, expected):
                load.wrong.append(why)
    except (OSError, http.client.HTTPException, ValueError) as error:
        load.wrong.append(f"no answer: {error!r}")
    finally:
        connection.close()


def post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, Any]:
    """Ask; return status and answer."""
    connection.request("POST", "/detect", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def one_by_one(server: Server, body: bytes) -> Any:
    """Return the answer of a server that has nothing else to do."""
    connection = server.connect()
    status, answer = post(connection, body)
    connection.close()
    if status != 200:
        raise OSError(f"the server answered {status}: {answer}")
    return answer


def difference(answer: Any, expected: Any) -> str:
    """Return how an answer differs from what is expected, or nothing.

    Objects are matched in any order, and one whose score is on the threshold may be missing.
    """
    left = list(expected["objects"])
    for found in answer["objects"]:
        twin = next((one for one in left if _alike(one, found)), None)
        if twin is not None:
            left.remove(twin)
        elif found["score"] > THRESHOLD + NEAR_SCORE:
            return f"not expected: {found}"
    missing = [one for one in left if one["score"] > THRESHOLD + NEAR_SCORE]
    return f"missing: {missing[0]}" if missing else ""


def _alike(one: Any, other: Any) -> bool:
    sides = zip(one["box"], other["box"], strict=True)
    return (
        one["label"] == other["label"]
        and abs(one["score"] - other["score"]) <= NEAR_SCORE
        and all(abs(a - b) <= NEAR_PX for a, b in sides)
    )


def pictures(count: int, side: int) -> list[bytes]:
    """Return requests, each for a scene of stickers of its own."""
    import numpy as np
    from PIL import Image

    from ovdet.data.stickers import NAMES, SceneSpec, render_scene

    spec = SceneSpec(side=side, sizes=(side / 6, side / 2.5))
    names, bodies = list(NAMES)[:WORDS], []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        scene = render_scene(rng, spec, names)
        file = io.BytesIO()
        Image.fromarray(scene.image).save(file, "JPEG", quality=90)
        image = base64.b64encode(file.getvalue()).decode()
        asked = {"image": image, "names": names, "threshold": THRESHOLD, "top_k": 20}
        bodies.append(json.dumps(asked).encode())
    return bodies


@contextmanager
def started(options: list[str]) -> Iterator[Server]:
    """Start a server, yield it, stop it."""
    words = [sys.executable, "-m", "ovdet", "serve", *options]
    env = os.environ | {"OVDET_CACHE": os.environ.get("OVDET_CACHE", "off")}
    with subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if "http://" not in line:
                raise OSError("the server did not start")
            yield Server(line.split("http://")[1].split(";")[0])
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # a checkout that was not installed
    sys.exit(main())
