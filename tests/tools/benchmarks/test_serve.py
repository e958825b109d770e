import importlib.util
import json
import threading
from pathlib import Path

import pytest
from colour_server import ColourDetector, encoded, make, picture

from ovdet.serving import create_app, serve

TOOL = Path(__file__).parents[3] / "tools" / "benchmarks" / "serve.py"
FOUND = {"label": "cat", "score": 0.5, "box": [1, 2, 3, 4]}
FAINT = {"label": "dog", "score": 0.0505, "box": [1, 2, 3, 4]}


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("serve_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("found", "expected", "told"),
    [
        ([FOUND, FAINT], [FAINT, FOUND], ""),
        ([FOUND | {"score": 0.5004, "box": [1.05, 2, 3, 4]}], [FOUND], ""),
        ([FOUND], [FOUND, FAINT], ""),
        ([FOUND, FAINT], [FOUND], ""),
        ([], [FOUND], "missing: "),
        ([FOUND, FOUND], [FOUND], "not expected: "),
        ([FOUND | {"label": "dog"}], [FOUND], "not expected: "),
        ([FOUND | {"box": [1, 2, 3, 5]}], [FOUND], "not expected: "),
        ([FOUND | {"score": 0.6}], [FOUND], "not expected: "),
    ],
)
def test_difference(tool, found, expected, told):
    said = tool.difference({"objects": found}, {"objects": expected})
    assert said.startswith(told)
    assert bool(said) == bool(told)


def test_clients_find_what_is_wrong(tool, capsys):
    app, addresses, ready = create_app(make(ColourDetector())), [], threading.Event()
    tell = lambda url: (addresses.append(url), ready.set())  # noqa: E731
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, tell), daemon=True)
    thread.start()
    assert ready.wait(20)
    server = tool.Server(addresses[0].removeprefix("http://"))
    asked = [
        {"image": encoded(picture(name)), "names": ["red", "blue"]} for name in ("red", "blue")
    ]
    bodies = [json.dumps(one).encode() for one in asked]
    expected = [tool.one_by_one(server, body) for body in bodies]
    good, bad = tool.Load(), tool.Load()
    tool.ask(server, bodies, expected, good, 0.2)
    tool.ask(server, bodies, expected[::-1], bad, 0.05)
    assert tool.report("good", good, 100, 104)
    assert not tool.report("good", good, 100, 106)
    assert not tool.report("bad", bad, 100, 100)
    assert len(bad.wrong) == len(bad.times) > 0
    assert "lost or mixed up: 0; memory" in capsys.readouterr().out
    with pytest.raises(OSError, match="the server answered 422"):
        tool.one_by_one(server, b"{}")
    app.state.door.stop()
    thread.join(20)
    dead = tool.Load()
    tool.client(server, bodies[0], expected[0], dead, float("inf"))
    assert "no answer: ConnectionRefused" in dead.wrong[0]


def test_pictures_differ(tool):
    first, second = (json.loads(body) for body in tool.pictures(2, 64))
    assert first["image"] != second["image"]
    assert len(first["names"]) == 24
