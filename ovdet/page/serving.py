"""The page, served to this machine's browser."""

import os
import socket
import threading
from typing import Any

from ovdet.page.events import connect, first_threshold
from ovdet.page.parts import import_gradio, lay_out, looks
from ovdet.page.shelf import Shelf
from ovdet.structures import InputError

_UPLOAD = "100mb"  # most of a picture's file
_OFF: dict[str, Any] = {
    "share": False,
    "ssr_mode": False,
    "pwa": False,
    "mcp_server": False,
    "run_history": False,
    "enable_monitoring": False,
    "footer_links": [],
    "quiet": True,
}


def build(shelf: Shelf) -> Any:
    """Return the page, a ``gradio.Blocks``.

    Args:
        shelf: The models; the first is loaded now.

    Raises:
        ImportError: If gradio is not installed.
        InputError: If the first model cannot be loaded.
    """
    gr = import_gradio()
    first = first_threshold(shelf, shelf.names[0])
    # What visitors send is gone from the disk an hour later.
    with gr.Blocks(title="ovdet", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        connect(page, lay_out(shelf.names, first), shelf)
    return page


def start(page: Any, host: str, port: int) -> str:
    """Serve a page in the background; return its address.

    Args:
        page: What :func:`build` gives; its ``close`` ends it.
        host: The address to listen at; ``127.0.0.1`` is heard by this machine alone.
        port: In 1 to 65535.

    Raises:
        InputError: If nobody can listen there, as where the port is taken.
    """
    _check(host, port)
    # Gradio calls itself once, and a proxy of the user's must not hear of it.
    known = [os.environ[key] for key in ("NO_PROXY", "no_proxy") if os.environ.get(key)]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join([*known, "localhost", host])
    own = {"server_name": host, "server_port": port, "prevent_thread_lock": True}
    _, address, _ = page.launch(max_file_size=_UPLOAD, **own, **_OFF, **looks())
    return str(address)


def _check(host: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise InputError(f"port must lie in 1 to 65535, got {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), port), family=family).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        raise InputError(f"cannot listen at {host}:{port}: {reason}") from error


def wait() -> None:
    """Wait until the process is stopped."""
    threading.Event().wait()
