"""What a command leaves behind: annotated pictures, and one JSON for the whole run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from ovdet.apis.coco import CocoFile, PanopticFile
from ovdet.apis.files import FreeNames
from ovdet.apis.panoptic import PanopticResult
from ovdet.apis.result import Result
from ovdet.apis.segmenting import PANOPTIC, SEMANTIC
from ovdet.apis.semantic import SemanticResult
from ovdet.structures import InputError, Vocabulary


class Writer(Protocol):
    """Writes the results of a run, one picture after the other."""

    def add(self, path: Path, result: Any) -> str:
        """Write what belongs to one picture; return what to say about it."""

    def finish(self) -> Path:
        """Write what belongs to all pictures, at least one, and return its path."""


def writer_for(task: str, out: Path, inputs: Sequence[Path], json: Path | None) -> Writer:
    """Return the writer for a task.

    Args:
        task: ``semantic``, ``panoptic``, or any other whose results list objects.
        out: The folder of the annotated pictures.
        inputs: All pictures of the run; none of them is overwritten.
        json: The file for the whole run; None is a name of the writer's own in ``out``.

    Raises:
        InputError: If a folder of PNG files could not be told from ``json`` by its ending.
    """
    kinds: dict[str, Callable[[Path, Sequence[Path], Path | None], Writer]]
    kinds = {SEMANTIC: LabelMaps, PANOPTIC: Segments}
    return kinds.get(task, Objects)(out, inputs, json)


class Objects:
    """Annotated pictures and COCO's JSON, by default ``detections.json``."""

    def __init__(self, out: Path, inputs: Sequence[Path], json: Path | None) -> None:
        self._names = FreeNames(out, inputs)
        self._json = json or out / "detections.json"
        self._file: CocoFile | None = None

    def add(self, path: Path, result: Result) -> str:
        """Write the annotated picture."""
        target = self._names.give(path)
        result.save(target)
        self._file = self._file or CocoFile(result.vocabulary)
        self._file.add(str(path), result.image.shape[:2], result.to_coco())
        return f"{path} -> {target}\n{result.table()}"

    def finish(self) -> Path:
        """Write the JSON."""
        if self._file is not None:
            self._file.save(self._json)
        return self._json


class LabelMaps:
    """Annotated pictures, label maps as ``labels/*.png``, and their names as ``labels.json``.

    The folder has the name of the JSON file without its ending; ``SemanticDataset`` reads both.
    """

    def __init__(self, out: Path, inputs: Sequence[Path], json: Path | None) -> None:
        self._json = json or out / "labels.json"
        self._names = FreeNames(out, inputs)
        self._maps = FreeNames(_folder(self._json), inputs, ".png")
        self._vocabulary: Vocabulary | None = None

    def add(self, path: Path, result: SemanticResult) -> str:
        """Write the annotated picture and the label map."""
        target, labels = self._names.give(path), self._maps.give(path)
        result.save(target)
        result.save_labels(labels)
        self._vocabulary = result.vocabulary
        return f"{path} -> {target}, {labels}\n{result.table()}"

    def finish(self) -> Path:
        """Write the vocabulary."""
        if self._vocabulary is not None:
            self._vocabulary.save(self._json)
        return self._json


class Segments:
    """Annotated pictures, and COCO's panoptic JSON with its PNG files, by default ``panoptic``."""

    def __init__(self, out: Path, inputs: Sequence[Path], json: Path | None) -> None:
        self._json = json or out / "panoptic.json"
        self._names = FreeNames(out, inputs)
        self._maps = FreeNames(_folder(self._json), inputs, ".png")
        self._file: PanopticFile | None = None

    def add(self, path: Path, result: PanopticResult) -> str:
        """Write the annotated picture and the ids."""
        target, ids = self._names.give(path), self._maps.give(path)
        result.save(target)
        result.save_ids(ids)
        self._file = self._file or PanopticFile(result.vocabulary, result.things)
        self._file.add(str(path), result.ids.shape, ids.name, result.to_coco())
        return f"{path} -> {target}, {ids}\n{result.table()}"

    def finish(self) -> Path:
        """Write the JSON."""
        if self._file is not None:
            self._file.save(self._json)
        return self._json


def _folder(json: Path) -> Path:
    if json.suffix.lower() != ".json":
        raise InputError(f"{json}: must end with .json, its PNG files go to a folder of that name")
    return json.with_suffix("")
