import asyncio
import concurrent.futures
import json
import time

import pytest
from colour_server import encoded, make, picture

from ovdet.serving import ServerLimits, create_app

ASKED = {"image": encoded(picture()), "names": ["red"]}


def say(body=b"{}", more=False):
    return {"type": "http.request", "body": body, "more_body": more}


def drive(app, messages, *, give=None, headers=()):
    """Post to /detect as a server would; return what the application sent.

    After ``messages`` nothing comes any more. ``give`` stands in for taking a message.
    """
    sent, left = [], list(messages)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message):
        sent.append(message)
        if give is not None:
            await give()

    kind = (b"content-type", b"application/json")
    scope = {"type": "http", "method": "POST", "path": "/detect", "headers": [kind, *headers]}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""}
    scope |= {"raw_path": b"/detect", "server": ("x", 80), "client": ("y", 1)}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 20))
    return sent


def test_beyond_the_queue_is_429(client_of, detector):
    client = client_of(detector, batch=1, queue=2)
    detector.open.clear()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        accepted = [pool.submit(client.post, "/detect", json=ASKED) for _ in range(3)]
        end = time.monotonic() + 20
        while client.app.state.door.inside < 3:
            assert time.monotonic() < end
            time.sleep(0.005)
        refused = client.post("/detect", json=ASKED)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json() == {"error": "3 requests are being answered, try later"}
        assert client.get("/healthz").status_code == 200
        detector.open.set()
        assert [one.result(20).status_code for one in accepted] == [200] * 3
    assert client.post("/detect", json=ASKED).status_code == 200
    assert client.app.state.door.inside == 0


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        ("Bearer s3creT", 401),
        ("Bearer ", 401),
        ("Bearer s3cret2", 401),
        ("Basic s3cret", 401),
        ("s3cret", 401),
        (b"Bearer \xff\xfe", 401),
        (None, 401),
    ],
)
def test_key(client_of, detector, header, status):
    client = client_of(detector, key="s3cret")
    headers = {} if header is None else {"Authorization": header}
    answer = client.post("/detect", json=ASKED, headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["error"]
    assert client.get("/healthz").status_code == 200


def test_too_many_bytes_are_413(client_of, detector):
    client = client_of(detector, body_mb=0.001)
    answer = client.post("/detect", json={**ASKED, "names": ["x" * 2000]})
    assert answer.status_code == 413
    assert answer.json() == {"error": "the request must have at most 1048 bytes"}
    unsized = client.post(
        "/detect",
        content=(b"x" * 500 for _ in range(9)),
        headers={"Content-Type": "application/json"},
    )
    assert unsized.status_code == 413
    assert client.post("/detect", json=ASKED).status_code == 200


@pytest.mark.parametrize("length", [b"1" * 5000, b"99999999", b"-5", b"x"])
def test_odd_lengths(detector, length):
    app = create_app(make(detector))
    sent = drive(app, [say()], headers=[(b"content-length", length)])
    assert sent[0]["status"] == (413 if length.startswith((b"1", b"9")) else 422)


def test_a_slow_request_is_408(detector):
    app = create_app(make(detector), ServerLimits(patience_s=0.05))
    sent = drive(app, [say(b"{", more=True)])
    assert sent[0]["status"] == 408
    assert b"did not come within 0.05 s" in sent[1]["body"]
    assert app.state.door.inside == 0


def test_who_leaves_while_sending_is_let_go(detector):
    app = create_app(make(detector))
    assert drive(app, [say(b"{", more=True), {"type": "http.disconnect"}]) == []
    assert app.state.door.inside == 0


def test_who_leaves_while_waiting_is_not_answered(detector):
    """The first one occupies the model; the second leaves, and never reaches it."""
    app = create_app(make(detector), ServerLimits(batch=1))
    body = json.dumps(ASKED).encode()
    detector.open.clear()

    async def ask(messages):
        waiting = iter(messages)

        async def receive():
            message = next(waiting, asyncio.Event().wait)
            return await message() if callable(message) else message

        async def send(message):
            sent.append(message)

        sent = []
        scope = {"type": "http", "method": "POST", "path": "/detect", "query_string": b""}
        scope |= {"headers": [(b"content-type", b"application/json")]}
        await app(scope, receive, send)
        return sent

    async def until(holds):
        while not holds():
            await asyncio.sleep(0.002)

    async def leave():
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def run():
        first = asyncio.ensure_future(ask([say(body)]))
        await until(detector.entered.is_set)
        assert await ask([say(body), leave]) == []
        assert app.state.door.inside == 1
        detector.open.set()
        assert (await first)[0]["status"] == 200

    asyncio.run(asyncio.wait_for(run(), 20))
    assert len(detector.batches) == 1


def test_who_does_not_take_the_answer_is_given_up(detector):
    app = create_app(make(detector), ServerLimits(patience_s=0.05))
    sent = drive(app, [say()], give=asyncio.Event().wait)
    assert len(sent) == 1
    assert app.state.door.inside == 0


def test_a_stopping_server_says_so(client):
    client.app.state.door.stop()
    answer = client.post("/detect", json=ASKED)
    assert (answer.status_code, answer.json()) == (503, {"error": "the server is stopping"})
