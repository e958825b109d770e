"""Downloads: one file at an address, gone on with where it broke off, whole or not at all."""

import http.client
import os
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from ovdet.structures import InputError

_TRIES = 4
_WAIT = 30.0  # s without a byte
_PIECE = 1 << 20
_REFUSED = range(400, 500)
_NOTHING_LEFT = 416


def download(address: str, path: Path, sha256: str | None) -> None:
    """Fetch a file.

    What has come lies in ``<file>.part`` and a later call goes on behind it, where the hash is
    known; without one nothing would tell two halves of different files apart.

    Args:
        address: Of http or https.
        path: Where the file goes once it is whole; its folder is there.
        sha256: What it must hash to, in hexadecimal; None where it is not known.

    Raises:
        InputError: If the address gives no file, the connection breaks again and again, or the file
            hashes to something else, in which case nothing of it is left.
    """
    from ovdet.apis.zoo import check_hash

    part = path.with_name(f"{path.name}.part")
    if sha256 is None:
        part.unlink(missing_ok=True)
    for left in reversed(range(_TRIES)):
        try:
            _receive(address, part)
            break
        except (OSError, http.client.HTTPException) as error:
            if not left or _is_refusal(error):
                raise InputError(f"{address}: cannot be fetched: {_said(error)}") from error
    if sha256 is not None:
        try:
            check_hash(part, sha256, "the zoo")
        except InputError:
            part.unlink(missing_ok=True)
            raise
    part.replace(path)


def _receive(address: str, part: Path) -> None:
    """Append to what is there what is missing, or start anew where the server cannot go on."""
    start = part.stat().st_size if part.exists() else 0
    request = Request(address, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urlopen(request, timeout=_WAIT)
    except HTTPError as error:
        if start and error.code == _NOTHING_LEFT:
            return
        raise
    with answer:
        start = start if answer.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        length = answer.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(
                total=total, initial=start, unit="B", unit_scale=True, delay=2, disable=None
            ) as bar,
        ):
            while piece := answer.read(_PIECE):
                file.write(piece)
                bar.update(len(piece))
            file.flush()
            os.fsync(file.fileno())
            if total is not None and file.tell() < total:
                raise ConnectionError(f"broke off after {file.tell()} of {total} bytes")


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, HTTPError) and error.code in _REFUSED


def _said(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(error, HTTPError):
        return f"{error.code} {error.reason}"
    return " ".join(str(reason or error).split()) or type(error).__name__
