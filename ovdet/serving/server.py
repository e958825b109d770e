"""serve: an application on an address, until a signal; what was accepted is finished first."""

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from ovdet.serving.gate import Door
from ovdet.structures import InputError

_TAKING_LEAVE_S = 5  # what a connection may still take once all answers are out


def serve(app: FastAPI, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve an application until SIGTERM or SIGINT.

    Then new requests get 503 while the accepted ones are answered; a second signal ends at once.

    Args:
        app: What ``create_app`` returns.
        host: A name or address of this machine.
        port: 0 takes a free one.
        ready: Is told the server's URL as soon as it answers.

    Raises:
        InputError: If the port is outside [0, 65535].
        OSError: If it cannot listen there.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port must lie in 0 to 65535, got {port}")
    with _bind(host, port) as own:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_TAKING_LEAVE_S,
        )
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{own.getsockname()[1]}"
        _Server(config, app.state.door, lambda: ready(url)).run(sockets=[own])


class _Server(uvicorn.Server):
    """Goes on listening while it finishes what it accepted, so that others hear why not."""

    def __init__(self, config: uvicorn.Config, door: Door, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._door = door
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._door.stopping:
            super().handle_exit(sig, frame)
            self.force_exit = True
        self._door.stop()

    async def on_tick(self, counter: int) -> bool:
        if self._door.stopping and not self._door.inside:
            self.should_exit = True
        return await super().on_tick(counter)


def _bind(host: str, port: int) -> socket.socket:
    """Return a socket that does not listen yet."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise OSError(f"{host}: is no address of this machine: {error}") from error
    own = socket.socket(family, socket.SOCK_STREAM)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(address)
    except OSError as error:
        own.close()
        raise OSError(f"{host}:{port}: cannot listen there: {error.strerror}") from error
    return own
