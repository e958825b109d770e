"""Metrics: what Prometheus reads."""

import time
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_GONE = "499"  # nginx's code: the client went away before its answer


class Metrics:
    """Figures of one server, in a registry of their own.

    Args:
        paths: Those that are counted by name; all others are ``other``.
        inside: Tells how many requests are accepted and not answered yet.
    """

    def __init__(self, paths: tuple[str, ...], inside: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._paths = frozenset(paths)
        own = self._registry
        self._requests = Counter(
            "ovdet_requests", "Requests answered", ["path", "status"], registry=own
        )
        self._seconds = Histogram(
            "ovdet_request_seconds", "From request to answer", ["path"], registry=own
        )
        self._batches = Histogram(
            "ovdet_batch_size", "Requests answered together", buckets=_SIZES, registry=own
        )
        self._model = Histogram("ovdet_model_seconds", "Time of a batch in the model", registry=own)
        Gauge("ovdet_requests_inside", "Accepted, not answered", registry=own).set_function(inside)
        ProcessCollector(registry=self._registry)

    def count(self, path: str, status: str, seconds: float) -> None:
        """Note an answered request."""
        path = path if path in self._paths else "other"
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, size: int, seconds: float) -> None:
        """Note a batch that went through the model."""
        self._batches.observe(size)
        self._model.observe(seconds)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)


class Meter:
    """Middleware: notes path, status and time of each request.

    Args:
        app: The application behind.
        metrics: Where they are noted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = _GONE, time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception:
            status = "500"
            raise
        finally:
            self._metrics.count(scope["path"], status, time.perf_counter() - start)
