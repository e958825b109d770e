"""Put a server under load, requests answered together and one by one, and check every answer.

python tools/benchmarks/serve.py [--clients 64] [--seconds 60] [--warm-up 10] [--max-batch 8]

Each client asks for other pictures; an answer must be that of its picture alone. The two servers
take turns, each in a process of its own.
"""

import argparse
import base64
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

NAMES = ["cat", "dog", "banana", "pizza", "umbrella", "car", "bird", "bottle"]
PICTURES, SIDE = 32, 160
NEAR = 0.01  # px and score: batches sum in another order


@dataclass
class Load:
    """What a server did under load.

    Attributes:
        seconds: Of every answer, from request to answer.
        refused: Answers that were no answer: status and text.
        wrong: Answers that are not those of their pictures.
        memory: MB of the server after warming up, and at the end.
        lasted: s that clients asked, without the warming up.
    """

    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    wrong: int = 0
    memory: tuple[float, float] = (0.0, 0.0)
    lasted: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.lasted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 where an answer was lost or wrong."""
    parser = argparse.ArgumentParser(prog="serve.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=64, metavar="N")
    parser.add_argument("--seconds", type=float, default=60, metavar="S")
    parser.add_argument("--warm-up", type=float, default=10, metavar="S")
    parser.add_argument("--max-batch", type=int, default=8, metavar="N")
    options = parser.parse_args(arguments)
    if min(options.clients, options.max_batch) < 1 or min(options.seconds, options.warm_up) <= 0:
        parser.error("numbers must be above 0")
    bodies, answers = prepare()
    print(f"{options.clients} clients, {options.seconds:g} s, {PICTURES} pictures of {SIDE} px, "
          f"{len(NAMES)} names, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    loads = {}
    for name, batch in (("together", options.max_batch), ("one by one", 1)):
        with server(batch, options.clients) as running:
            loads[name] = press(running, bodies, answers, options)
        tell(name, batch, loads[name])
    ratio = loads["together"].rate / loads["one by one"].rate
    print(f"answered together over one by one: {ratio:.2f} x the throughput")
    return int(any(load.refused or load.wrong for load in loads.values()))


def prepare() -> tuple[list[bytes], list[list[dict[str, Any]]]]:
    """Return the requests, and the answer that the model gives to each alone."""
    import io

    import numpy as np
    from PIL import Image

    import ovdet
    from ovdet.data.stickers import SceneSpec, render_scene

    model, chance, spec = ovdet.load(device="cpu"), np.random.default_rng(0), SceneSpec(side=SIDE)
    bodies, answers = [], []
    for _ in range(PICTURES):
        pixels = render_scene(chance, spec, NAMES).image
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        image = base64.b64encode(file.getvalue()).decode()
        bodies.append(json.dumps({"image": image, "names": NAMES}).encode())
        found = model.detect(pixels, NAMES)
        facts = zip(found.labels, found.scores.tolist(), found.boxes.tolist(), strict=True)
        answers.append([{"label": n, "score": s, "box": b} for n, s, b in facts])
    return bodies, answers


@contextmanager
def server(batch: int, clients: int) -> Iterator[tuple[str, int]]:
    """Run a server; yield its host and port, and the process's id."""
    words = [sys.executable, "-m", "ovdet", "serve", "--port", "0", "--device", "cpu"]
    words += ["--max-batch", str(batch), "--queue", str(clients)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        line = process.stdout.readline()
        yield line.split("http://")[1].split(";")[0].strip(), process.pid
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def press(
    running: tuple[str, int],
    bodies: list[bytes],
    answers: list[list[dict[str, Any]]],
    options: argparse.Namespace,
) -> Load:
    """Ask from all clients at once until the time is over."""
    address, process = running
    load, lock = Load(), threading.Lock()
    start = time.perf_counter() + options.warm_up
    end = start + options.seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=120)
        turn = number
        while (begun := time.perf_counter()) < end:
            place = turn % PICTURES
            turn += 7
            status, found = ask(connection, bodies[place])
            took = time.perf_counter() - begun
            with lock:
                if status != 200:
                    load.refused.append(f"{status} {found}")
                else:
                    load.wrong += not same(found["objects"], answers[place])
                    if begun >= start:
                        load.seconds.append(took)
        connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(options.clients)]
    for thread in threads:
        thread.start()
    time.sleep(options.warm_up)
    before = resident(process)
    for thread in threads:
        thread.join()
    load.lasted = time.perf_counter() - start
    load.memory = (before, resident(process))
    return load


def ask(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, Any]:
    """Send a request; return status and answer."""
    connection.request("POST", "/detect", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """Compare the objects of two answers, in any order among equal scores."""
    if len(found) != len(expected):
        return False
    return all(any(_near(one, other) for other in expected) for one in found)


def _near(one: dict[str, Any], other: dict[str, Any]) -> bool:
    numbers = zip([one["score"], *one["box"]], [other["score"], *other["box"]], strict=True)
    return one["label"] == other["label"] and all(abs(a - b) <= NEAR for a, b in numbers)


def resident(process: int) -> float:
    """Return the MB a process holds in memory."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def tell(name: str, batch: int, load: Load) -> None:
    """Print what a server did."""
    times = sorted(load.seconds)
    p99 = times[min(int(0.99 * len(times)), len(times) - 1)]
    before, after = load.memory
    print(
        f"{name} (at most {batch}): {load.rate:.1f} answers a second, median "
        f"{statistics.median(times) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, {len(times)} answers, "
        f"{len(load.refused)} refused, {load.wrong} wrong, memory {before:.0f} to {after:.0f} MB "
        f"({after / before - 1:+.1%})"
    )
    for line in load.refused[:3]:
        print(f"serve.py: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
