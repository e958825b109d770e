"""Failures: whatever goes wrong becomes one line of JSON under the status that fits."""

import logging
from typing import Any

import torch
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ovdet.serving.schema import Failure
from ovdet.structures import InputError

_LOG = logging.getLogger("ovdet")
_LONGEST = 300  # characters of a message

# Of the schema: what a POST request may be answered instead.
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": why}
    for status, why in (
        (400, "Not JSON"),
        (401, "No key, or a wrong one"),
        (408, "The request came too slowly"),
        (413, "Too many bytes"),
        (415, "Not sent as application/json"),
        (422, "A field, the picture or a name is wrong"),
        (429, "Too many requests at a time; see Retry-After"),
        (503, "The server is stopping or out of memory"),
    )
}


def answer_failures(app: FastAPI) -> None:
    """Have an application answer every failure as ``Failure``."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(InputError, _wrong)
    app.add_exception_handler(HTTPException, _refused)
    for kind in (MemoryError, torch.OutOfMemoryError):
        app.add_exception_handler(kind, _full)
    app.add_exception_handler(Exception, _broken)


def _say(status: int, text: str, headers: Any = None) -> JSONResponse:
    line = " ".join(text.split())
    clean = "".join(c if c.isprintable() else "?" for c in line)  # lone surrogates among them
    shown = clean if len(clean) <= _LONGEST else clean[: _LONGEST - 3] + "..."
    return JSONResponse({"error": shown}, status, headers)


async def _invalid(request: Request, error: Any) -> JSONResponse:  # noqa: ARG001 - Starlette's way
    first = error.errors()[0]
    place = [part for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid":
        return _say(400, f"the body must be JSON: {first.get('ctx', {}).get('error', 'it is not')}")
    if not place:
        return _say(422, "the body must be a JSON object")
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return _say(422, f"{name[1:]}: {_WORDS.get(first['type'], first['msg'])}")


_WORDS = {"missing": "must be given", "extra_forbidden": "there is no such field"}


async def _wrong(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    return _say(422, str(error))


async def _refused(request: Request, error: Any) -> JSONResponse:
    text = str(error.detail)
    if error.status_code == 400:  # FastAPI's, where reading the JSON failed in a way of its own
        text = "the body must be JSON that can be read"
    if error.status_code == 404:
        text = f"{request.url.path}: there is no such thing here"
    if error.status_code == 405:
        text = f"{request.url.path} takes {error.headers['Allow']}, got {request.method}"
    return _say(error.status_code, text, error.headers)


async def _full(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    _LOG.error("%s: out of memory", request.url.path)
    return _say(503, "the server is out of memory, try a smaller picture or later")


async def _broken(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    return _say(500, "the server failed; its log says how")
