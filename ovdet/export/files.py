"""A model to a file, with a card and a script that asks it beside it."""

import io
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ovdet.apis import Model
from ovdet.export.card import Maker, card
from ovdet.export.choice import graph_of
from ovdet.export.comparison import Difference, Run, compare
from ovdet.export.graph import Baked
from ovdet.export.pictures import render, show
from ovdet.export.writing import LEAST_OPSET, need_onnx, onnx_bytes, program_bytes, trace
from ovdet.structures import InputError, Vocabulary, atomic_write

ONNX, PROGRAM = FORMATS = ("onnx", "program")
_ENDINGS = {ONNX: ".onnx", PROGRAM: ".pt2"}
_SCRIPT = Path(__file__).with_name("script.py")
_ANY = ("cat", "red car", "traffic light")  # names to trace with: any others may follow


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: The file.
        card: What ``card_path`` holds.
        difference: How far it is from the model, on a rendered picture.
    """

    path: Path
    card: dict[str, Any]
    difference: Difference

    @property
    def card_path(self) -> Path:
        """The card's file, beside the other."""
        return _beside(self.path, "json")

    @property
    def script_path(self) -> Path:
        """The script that asks the file about a photo, beside it."""
        return _beside(self.path, "py")


def export(
    model: Model,
    out: str | Path,
    *,
    classes: Sequence[str] | Vocabulary | None = None,
    form: str = ONNX,
    opset: int | None = None,
    load: str | None = None,
) -> Exported:
    """Write a model as ONNX or as a program of ``torch.export``, and compare the two.

    Args:
        model: A two-stage or dense detector or a pixel segmentor, on the CPU.
        out: The file, ``.onnx`` or ``.pt2``; a card ``.json`` and a script ``.py`` that asks it
            about a photo come beside it.
        classes: The names that the file shall know; None makes their embeddings an input.
        form: ``onnx`` or ``program``.
        opset: Of ONNX alone: version of its operators, torch's choice when None.
        load: The options of ``ovdet export`` that give the model, for the card; the model's name
            when None.

    Raises:
        InputError: If the model, or a part of it, cannot be exported, or an argument does not fit.
        ImportError: If a package that writes or runs ONNX is not installed.
    """
    path = Path(out)
    _check(path, form, opset)
    graph = graph_of(model)
    pixels, things = render()
    text = model.embed_text(classes or list(_ANY))
    names = None if classes is None else Vocabulary.of(_names(classes)).names
    if names is not None:
        graph = Baked(graph, text).eval()
    program = trace(graph, text, model.name)
    data = (
        program_bytes(program) if form == PROGRAM else onnx_bytes(program, graph, model.name, opset)
    )
    own = shlex.join(["--model", model.name]) if load is None else load
    maker = Maker(model, own, names, text.shape[1])
    facts = card(graph, maker, form, path.name)
    atomic_write(path, data)
    atomic_write(_beside(path, "json"), (json.dumps(facts, indent=1) + "\n").encode())
    atomic_write(_beside(path, "py"), _SCRIPT.read_bytes())
    asked = Vocabulary.of(list(names or things))
    difference = compare(model, graph, runner(path, form), show(model, graph, pixels), asked)
    return Exported(path, facts, difference)


def embed(model: Model, out: str | Path, classes: Sequence[str] | Vocabulary) -> Path:
    """Write the names that an exported file without names is to be asked for.

    Args:
        model: The model that was exported.
        out: The file, ``.npz``: ``names`` [C] and their embeddings ``text`` [C, D].
        classes: The names.

    Raises:
        InputError: If a name is blank or stands twice, there is none, the model has no embeddings
            of names, or the file's name ends otherwise.
    """
    path = Path(out)
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path}: a file of embedded names must end with .npz")
    text = model.embed_text(classes).numpy()
    file = io.BytesIO()
    np.savez(file, names=np.array(Vocabulary.of(_names(classes)).names), text=text)
    atomic_write(path, file.getvalue())
    return path


def runner(path: Path, form: str) -> Run:
    """Return what runs an exported file on the CPU."""
    return _program(path) if form == PROGRAM else _session(path)


def _session(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        arrays = {name: value.numpy() for name, value in inputs.items()}
        return [torch.from_numpy(one) for one in session.run(None, arrays)]

    return run


def _program(path: Path) -> Run:
    program = torch.export.load(path).module()

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        with torch.no_grad():
            return list(program(*inputs.values()))

    return run


def _check(path: Path, form: str, opset: int | None) -> None:
    if form not in FORMATS:
        raise InputError(f"form must be one of {FORMATS}, got {form!r}")
    if path.suffix.lower() != _ENDINGS[form]:
        raise InputError(f"{path}: a file of the format {form} must end with {_ENDINGS[form]}")
    if form == ONNX:
        need_onnx()
    elif opset is not None:
        raise InputError(f"opset is of the format onnx, got {opset} for {form}")
    if opset is not None and opset < LEAST_OPSET:
        raise InputError(f"opset must be at least {LEAST_OPSET}, got {opset}")


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")


def _names(classes: Sequence[str] | Vocabulary) -> Sequence[str]:
    return classes.names if isinstance(classes, Vocabulary) else classes
