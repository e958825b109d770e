"""The application: three questions to a model over HTTP, its health and its figures."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import FastAPI, Response, Security
from fastapi.security import HTTPBearer

import ovdet
from ovdet.apis import Model
from ovdet.serving.asking import DETECT, EMBED, SEGMENT, Answers, Question
from ovdet.serving.batcher import Batcher
from ovdet.serving.failures import FAILURES, answer_failures
from ovdet.serving.gate import Door, Gate
from ovdet.serving.limits import ServerLimits
from ovdet.serving.metrics import Meter, Metrics
from ovdet.serving.pictures import Reader
from ovdet.serving.schema import (
    Detections,
    DetectRequest,
    Embeddings,
    EmbedRequest,
    Health,
    SegmentRequest,
    Segments,
)
from ovdet.structures import InputError, Vocabulary

_PATHS = ("/detect", "/segment", "/embed", "/healthz", "/metrics", "/openapi.json")
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


def create_app(
    model: Model, limits: ServerLimits | None = None, *, key: str | None = None
) -> FastAPI:
    """Return the application that serves a model.

    Requests are JSON with a picture's file in base64. Those that ask the same of pictures of one
    size pass the model together; the answers are those of one by one. Nothing is written to disk,
    and no page of another site may ask (CORS is off).

    Args:
        model: The model; from now on only the application may call it.
        limits: What it takes on; the defaults when None.
        key: What POST requests must bring as ``Authorization: Bearer``; None asks for none.

    Returns:
        The application; its ``state.door`` counts the requests inside and can be closed.
    """
    limits = limits or ServerLimits()
    door = Door(limits, key)
    metrics = Metrics(_PATHS, lambda: door.inside)
    desk = _Desk(model, limits, metrics.batch)
    app = FastAPI(
        title="ovdet",
        version=ovdet.__version__,
        description="Name any classes, get boxes and masks.",
        lifespan=desk.lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.door = door
    app.add_middleware(Gate, door=door)
    app.add_middleware(Meter, metrics=metrics)  # outside the gate: refusals count too
    answer_failures(app)
    guards = [] if key is None else [Security(HTTPBearer(auto_error=False))]
    for path, ask in (("/detect", desk.detect), ("/segment", desk.segment), ("/embed", desk.embed)):
        app.post(path, dependencies=guards, responses=FAILURES)(ask)
    _watch(app, model, metrics)
    return app


class _Desk:
    """Takes requests, checks them, has them answered.

    Args:
        model: The model.
        limits: What is taken on.
        tell: As for ``Batcher``.
    """

    def __init__(
        self, model: Model, limits: ServerLimits, tell: Callable[[int, float], None]
    ) -> None:
        self._model = model
        self._limits = limits
        self._reader = Reader(limits.pixels)
        wait = limits.wait_ms / 1000
        self._batcher: Batcher[Question, Any] = Batcher(
            Answers(model), most=limits.batch, wait=wait, tell=tell
        )

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG002 - FastAPI's way
        """Stop the threads when the application ends."""
        yield
        await asyncio.to_thread(self._batcher.close)
        self._reader.close()

    async def detect(self, request: DetectRequest) -> Detections:
        """Find objects of any classes in a picture."""
        found: Detections = await self._look(
            request.image, request.names, what=DETECT, **request.model_dump(exclude=_PICTURE)
        )
        return found

    async def segment(self, request: SegmentRequest) -> Segments:
        """Outline objects of any classes in a picture, or name its pixels."""
        found: Segments = await self._look(
            request.image, request.names, what=SEGMENT, **request.model_dump(exclude=_PICTURE)
        )
        return found

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Turn names into vectors of the model's text tower."""
        found: Embeddings = await self._ask(Question(EMBED, self._names(request.names)), None)
        return found

    async def _look(self, image: str, names: Sequence[str] | None, **asked: Any) -> Any:
        checked = None if names is None else self._names(names)
        async with self._reader.read(image) as pixels:
            size = self._model.input_size(*pixels.shape[:2])
            return await self._ask(Question(names=checked, size=size, **asked), pixels)

    async def _ask(self, question: Question, item: Any) -> Any:
        return await asyncio.wrap_future(self._batcher.submit(question, item))

    def _names(self, names: Sequence[str]) -> tuple[str, ...]:
        most, longest = self._limits.names, self._limits.name_length
        if len(names) > most:
            raise InputError(f"names: at most {most} are taken, got {len(names)}")
        for i, name in enumerate(names):
            if len(name) > longest:
                raise InputError(f"names[{i}]: must have at most {longest} characters")
        return Vocabulary.of(names).names


_PICTURE = {"image", "names"}


def _watch(app: FastAPI, model: Model, metrics: Metrics) -> None:
    """Add what watches over a server."""

    @app.get("/healthz", responses={503: {"model": Health, "description": "Stopping"}})
    async def health(response: Response) -> Health:
        """Tell whether requests are taken."""
        stopping = app.state.door.stopping
        response.status_code = 503 if stopping else 200
        status: Literal["ok", "stopping"] = "stopping" if stopping else "ok"
        return Health(status=status, model=model.name, task=model.task)

    @app.get("/metrics", response_class=Response)
    async def figures() -> Response:
        """Return the figures that Prometheus reads."""
        return Response(metrics.text(), media_type=_METRICS)
