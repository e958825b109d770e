"""Who comes in: the key, how many at a time, how large, and nobody while the server stops."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ovdet.serving.limits import ServerLimits

_RETRY = {"Retry-After": "1"}


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers or {}


class _Slow(Exception):  # noqa: N818 - who asked does not take the answer
    """A part of an answer was not taken in time."""


class Door:
    """How many requests are inside, and whether more may come.

    Args:
        limits: What the server takes on.
        key: What ``Authorization: Bearer`` must bring; None for no key.

    Attributes:
        inside: Requests that were accepted and are not answered yet.
        stopping: Whether new ones are refused.
    """

    def __init__(self, limits: ServerLimits, key: str | None) -> None:
        self.limits = limits
        self.inside = 0
        self.stopping = False
        self._digest = None if key is None else hashlib.sha256(key.encode()).digest()

    def stop(self) -> None:
        """Refuse new requests from now on."""
        self.stopping = True

    @contextmanager
    def enter(self, headers: Headers) -> Iterator[None]:
        """Count a request as inside, or refuse it."""
        self._check(headers)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    def _check(self, headers: Headers) -> None:
        if not self._knows(headers.get("authorization", "")):
            scheme = {"WWW-Authenticate": "Bearer"}
            raise _Refused(401, "the request must bring Authorization: Bearer and the key", scheme)
        if self.stopping:
            raise _Refused(503, "the server is stopping", {"Connection": "close"})
        if self.inside >= self.limits.inside:
            raise _Refused(429, f"{self.inside} requests are being answered, try later", _RETRY)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise _Refused(415, f"Content-Type must be application/json, got {kind or 'none'}")
        length = headers.get("content-length", "")
        if length.isdigit() and (len(length) > 15 or int(length) > self.limits.body_bytes):
            raise _too_large(self.limits)

    def _knows(self, given: str) -> bool:
        """Compare the key in a time that does not tell how much of it is right."""
        if self._digest is None:
            return True
        scheme, _, key = given.partition(" ")
        digest = hashlib.sha256(key.strip().encode("latin-1", "replace")).digest()
        return hmac.compare_digest(digest, self._digest) and scheme.lower() == "bearer"


class Gate:
    """Middleware: POST requests come in through the door, the others are served as they are.

    A request's body is read whole before the application sees it; where the client goes away, its
    request is given up.

    Args:
        app: The application behind.
        door: Its door.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            with self._door.enter(Headers(scope=scope)):
                body = await self._read(receive)
                if body is not None:
                    await self._serve(scope, body, receive, send)
        except _Refused as refused:
            said = JSONResponse({"error": str(refused)}, refused.status, refused.headers)
            await said(scope, receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body; None where the client went away meanwhile."""
        limits = self._door.limits
        parts, size = [], 0
        try:
            async with asyncio.timeout(limits.patience_s):
                while (message := await receive())["type"] == "http.request":
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limits.body_bytes:
                        raise _too_large(limits)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            late = f"the request did not come within {limits.patience_s:g} s"
            raise _Refused(408, late, {"Connection": "close"}) from None
        return None

    async def _serve(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Run the application; give up where the client goes away or does not take the answer."""

        async def give(message: Message) -> None:
            try:
                async with asyncio.timeout(self._door.limits.patience_s):
                    await send(message)
            except TimeoutError:
                raise _Slow from None

        answering = asyncio.ensure_future(self._app(scope, _replay(body), give))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not isinstance(answering.exception(), _Slow):
                answering.result()
        finally:
            answering.cancel()
            gone.cancel()
            await asyncio.wait({answering, gone})


def _replay(body: bytes) -> Receive:
    """Return what gives a body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()  # whether the client is there is watched elsewhere
        return messages.pop()

    return receive


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _too_large(limits: ServerLimits) -> _Refused:
    return _Refused(413, f"the request must have at most {limits.body_bytes} bytes")
