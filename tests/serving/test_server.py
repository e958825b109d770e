"""Over real HTTP."""

import concurrent.futures
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import schemathesis
from colour_server import encoded, make, picture
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.formats import unregister_string_format

import ovdet
from ovdet.serving import create_app, serve
from ovdet.structures import InputError, Vocabulary

ROOT = Path(__file__).parents[2]
RED = {"image": encoded(picture()), "names": ["red"]}


@contextmanager
def running(app):
    """Serve an application from a thread; yield its address; stop it as a signal would."""
    addresses, ready = [], threading.Event()
    tell = lambda url: (addresses.append(url), ready.set())  # noqa: E731
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, tell), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield addresses[0]
    finally:
        app.state.door.stop()
        thread.join(20)
        assert not thread.is_alive()


def ask(url, path, asked=None):
    """Send one request over a connection of its own; return status and answer."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    body = None if asked is None else json.dumps(asked)
    method = "GET" if body is None else "POST"
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def test_accepted_requests_are_finished_and_new_ones_refused(detector):
    app = create_app(make(detector))
    with concurrent.futures.ThreadPoolExecutor(1) as pool, running(app) as url:
        assert url.startswith("http://127.0.0.1:")
        assert ask(url, "/healthz")[0] == 200
        detector.open.clear()
        accepted = pool.submit(ask, url, "/detect", RED)
        assert detector.entered.wait(20)
        app.state.door.stop()
        assert ask(url, "/detect", RED) == (503, {"error": "the server is stopping"})
        assert ask(url, "/healthz") == (
            503,
            {"status": "stopping", "model": "colours", "task": "detect"},
        )
        detector.open.set()
        status, found = accepted.result(20)
        assert (status, [one["label"] for one in found["objects"]]) == (200, ["red"])


def test_addresses_that_cannot_be_had(detector):
    app = create_app(make(detector))
    with running(app) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match=rf"127.0.0.1:{port}: cannot listen there"):
            serve(app, "127.0.0.1", port, print)
    with pytest.raises(OSError, match="is no address of this machine"):
        serve(app, "no such host", 0, print)
    with pytest.raises(InputError, match="port must lie in 0 to 65535, got 65536"):
        serve(app, "127.0.0.1", 65536, print)


def test_the_command_serves_and_stops():
    words = [sys.executable, "-m", "ovdet", "serve", "--port", "0", "--device", "cpu"]
    env = os.environ | {"OVDET_API_KEY": "k"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, env=env, **pipes) as server:
        line = server.stdout.readline()
        assert line.startswith("ovdet-tiny answers on http://127.0.0.1:"), server.stderr.read()
        url = line.split()[3].rstrip(";")
        assert ask(url, "/healthz")[1]["status"] == "ok"
        assert ask(url, "/detect", RED)[0] == 401
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
        assert "Traceback" not in server.stderr.read()


def files():
    """Pictures in base64 of every kind, sound and broken, and what is none."""
    sides = st.integers(1, 40)
    kinds = st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
    names = st.sampled_from(["red", "blue", "black"])
    sound = st.builds(
        lambda n, w, h, kind: encoded(picture(n, (w, h)), kind), names, sides, sides, kinds
    )
    cut = st.builds(lambda text, end: text[: 4 * end], sound, st.integers(1, 40))
    noise = st.binary(max_size=200).map(encoded)
    return st.one_of(sound, sound, cut, noise, st.text(min_size=1))


@contextmanager
def drawing(model, path):
    """Serve a model; yield the operation of a path, from which requests can be drawn."""
    schemathesis.openapi.format("byte", files())
    with running(create_app(model)) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")[path]["POST"]
    unregister_string_format("byte")


PATHS = ["/detect", "/segment", "/embed"]


@pytest.fixture(params=PATHS)
def operation(request, detector):
    detector.own = Vocabulary(("red", "blue"))  # so that names may be left out
    with drawing(make(detector), request.param) as operation:
        yield operation


HELD = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


def fuzz(operation, count):
    statuses = []
    quiet = {
        "deadline": None,
        "database": None,
        "phases": [Phase.generate],
        "suppress_health_check": list(HealthCheck),
    }
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(max_examples=count // 2, **quiet)
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            answer = case.call()
            statuses.append(answer.status_code)
            case.validate_response(answer, checks=HELD)

        check()
    assert max(statuses) < 500
    assert 422 in statuses
    return statuses


def test_drawn_requests_never_fail(operation):
    assert len(fuzz(operation, 30)) >= 20


@pytest.mark.slow
def test_many_drawn_requests_never_fail(operation):
    statuses = fuzz(operation, 520)
    assert len(statuses) >= 500
    assert 200 in statuses


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_many_drawn_requests_to_the_small_model_never_fail(path):
    model = ovdet.load("ovdet-tiny", device="cpu")
    model.detector.own = Vocabulary(("dog", "cat"))
    with drawing(model, path) as operation:
        assert len(fuzz(operation, 520)) >= 500
