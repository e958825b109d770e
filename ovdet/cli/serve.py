"""A model behind HTTP: boxes, masks and name vectors for whoever asks.

ovdet serve
ovdet serve --model owlv2-base --port 9000 --max-batch 16
ovdet serve --host 0.0.0.0 --api-key-file key.txt  # for other machines too

A request is JSON with a picture's file in base64, its answer JSON:

printf '{"image": "%s", "names": ["cat", "red car"]}' "$(base64 -w0 photo.jpg)" |
  curl -s -H 'Content-Type: application/json' -d @- http://127.0.0.1:8000/detect

POST /detect, /segment, /embed; GET /healthz, /metrics (Prometheus), /openapi.json (the schema).
"""

import argparse
import ipaddress
import logging
import os
from pathlib import Path

SUMMARY = "answer requests over HTTP"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", metavar="NAME|CONFIG", help="default: ovdet-tiny")
    parser.add_argument("--checkpoint", metavar="FILE", help="weights for a config file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--precision", default="float32", help="float32, bfloat16 or float16")
    parser.add_argument("--offline", action="store_true", help="fetch nothing")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for all (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (%(default)s)")
    parser.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="the key that requests must bring as Authorization: Bearer KEY; or OVDET_API_KEY",
    )
    limits = parser.add_argument_group("limits")
    for option, kind, default, text in _LIMITS:
        limits.add_argument(
            option, type=kind, default=default, metavar="N", help=f"{text} (%(default)s)"
        )


_LIMITS = (
    ("--max-batch", int, 8, "pictures that pass the model together"),
    ("--wait-ms", float, 2.0, "wait of an idle model for more of the same, ms"),
    ("--queue", int, 64, "requests that wait; beyond it the answer is 429"),
    ("--max-mb", float, 16.0, "size of a request, MB"),
    ("--max-megapixels", float, 25.0, "size of a picture, million pixels"),
    ("--max-names", int, 1000, "names of a request"),
)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    from ovdet.serving import ServerLimits, create_app, keep_freed, serve

    limits = ServerLimits(
        batch=options.max_batch,
        wait_ms=options.wait_ms,
        queue=options.queue,
        body_mb=options.max_mb,
        megapixels=options.max_megapixels,
        names=options.max_names,
    )
    key = read_key(options.api_key_file)
    from ovdet.apis import load

    keep_freed()

    model = load(
        options.model,
        checkpoint=options.checkpoint,
        device=options.device,
        precision=options.precision,
        offline=options.offline,
    )
    if key is None and not is_local(options.host):
        logging.getLogger("ovdet").warning(
            "without a key all who reach %s may ask: --api-key-file FILE", options.host
        )
    serve(
        create_app(model, limits, key=key),
        options.host,
        options.port,
        lambda url: print(f"{model.name} answers on {url}; Ctrl-C stops it", flush=True),
    )
    return 0


def read_key(path: Path | None) -> str | None:
    """Return the key of a file, else of ``OVDET_API_KEY``, else None.

    Raises:
        InputError: If it is empty or more than one word of ASCII.
    """
    from ovdet.structures import InputError

    text, place = os.environ.get("OVDET_API_KEY"), "OVDET_API_KEY"
    if path is not None:
        text, place = path.read_bytes().decode("latin-1"), str(path)
    if text is None:
        return None
    key = text.strip()
    if not key or not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{place}: must hold one word of ASCII as the key")
    return key


def is_local(host: str) -> bool:
    """Return whether only this machine reaches a host's address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
