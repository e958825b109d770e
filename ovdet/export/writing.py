"""A graph to a file: ONNX, or a program of ``torch.export``. TorchScript is not offered."""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ovdet.export.graph import Graph
from ovdet.export.translation import translations
from ovdet.structures import InputError

LEAST_OPSET = 18  # the translations' own
_MOST_BYTES = 2**31 - 1  # that one ONNX file may hold


def trace(graph: Graph, text: Tensor, name: str) -> Any:
    """Return the graph as a program of ``torch.export``.

    Args:
        graph: What to write.
        text: [C, D] of any C names above 1.
        name: What messages call the model.

    Raises:
        InputError: If torch cannot follow it; the message says where.
    """
    inputs = graph.example(text)
    shapes = tuple(_axes(graph.stride)[name] for name in graph.inputs)
    try:
        with torch.no_grad(), _quiet():
            return torch.export.export(graph, inputs, dynamic_shapes=shapes, strict=True)
    except RuntimeError as error:
        raise InputError(f"{name} cannot be exported: {_reason(error)}") from error


def onnx_bytes(program: Any, graph: Graph, name: str, opset: int | None = None) -> bytes:
    """Return an ONNX file of a traced graph.

    Args:
        program: What ``trace`` gave.
        graph: What was traced.
        name: What messages call the model.
        opset: Version of ONNX's operators, at least 18; torch's choice when None.

    Raises:
        InputError: If an operator has no counterpart in that version, or the file would be larger
            than ONNX allows.
    """
    try:
        with torch.no_grad(), _quiet():
            written: Any = torch.onnx.export(
                program,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                opset_version=opset,
                custom_translation_table=translations(),
                external_data=False,
                verbose=False,
            )
    except RuntimeError as error:
        raise InputError(f"{name} cannot be written as ONNX: {_reason(error)}") from error
    model = written.model_proto
    if model.ByteSize() > _MOST_BYTES:
        raise InputError(f"{name} has {model.ByteSize()} bytes, an ONNX file holds {_MOST_BYTES}")
    _rename(model, graph)
    data: bytes = model.SerializeToString()
    return data


def program_bytes(program: Any) -> bytes:
    """Return the ``.pt2`` file of a traced graph."""
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def need_onnx() -> None:
    """Check that ONNX can be written and run.

    Raises:
        ImportError: If a package is not installed.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f'ONNX needs {package}: pip install "ovdet[export]"')


def _axes(stride: int) -> dict[str, dict[int, Any] | None]:
    """Return for each input which of its axes may have any length."""
    batch, names = (torch.export.Dim(n, min=1, max=2**20) for n in ("batch", "names"))
    rows, columns = (torch.export.Dim(n, min=2, max=2**10) for n in ("rows", "columns"))
    return {
        "images": {0: batch, 2: stride * rows, 3: stride * columns},
        "sizes": {0: batch},
        "text": {0: names},
        "threshold": None,
    }


def _rename(model: Any, graph: Graph) -> None:
    """Give axes names that say what they are, in place of the tracer's symbols."""
    values = {value.name: value for value in (*model.graph.input, *model.graph.output)}
    known: dict[str, str] = {}
    for name, axes in _NAMES.items():
        if name in (*graph.inputs, *graph.outputs):
            sides = values[name].type.tensor_type.shape.dim
            known |= {sides[axis].dim_param: called for axis, called in axes.items()}
    for value in values.values():
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param in known:
                side.dim_param = known[side.dim_param]


_NAMES = {
    "boxes": {0: "found"},
    "text": {0: "names"},
    "images": {0: "batch", 2: "height", 3: "width"},
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' notes to themselves: what matters comes as an error."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """Return the innermost line that says what is in the way."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
