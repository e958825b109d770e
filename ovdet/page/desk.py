"""What one visitor has in front of them: a picture, what was asked, what was found."""

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ovdet.apis import Model, Result, read_image
from ovdet.apis.images import Pixels
from ovdet.apis.model import DETECT
from ovdet.apis.segmenting import INSTANCE
from ovdet.page.shelf import Shelf
from ovdet.page.view import as_objects, as_picture
from ovdet.structures import InputError

LOWEST = 0.05  # what scores less is not worth a look, whatever the slider says
_TOP = 300
_TYPES = {".json": "application/json", ".png": "image/png"}


@dataclass(frozen=True, eq=False)
class Desk:
    """A picture and what was found in it; each step returns the next desk.

    Attributes:
        pixels: The picture, RGB, uint8, [H, W, 3]; None before there is one.
        picture: The same as a browser shows it, see ``as_picture``.
        file_name: As the visitor calls it.
        question: The model's name and the names of the last answer.
        result: All that scores at least ``LOWEST``, or what the model itself would show; None
            before something was asked.
    """

    pixels: Pixels | None = None
    picture: dict[str, Any] | None = None
    file_name: str = ""
    question: tuple[str, ...] = ()
    result: Result | None = None

    def put(self, path: Path, file_name: str) -> "Desk":
        """Return a desk with another picture.

        Raises:
            InputError: If it cannot be read.
        """
        pixels = read_image(path, file_name)
        return Desk(pixels, as_picture(pixels), file_name)

    def answers(self, model: str, names: Sequence[str]) -> bool:
        """Tell whether the result answers a question."""
        return self.result is not None and self.question == (model, *names)

    def ask(self, shelf: Shelf, model: str, names: list[str]) -> "Desk":
        """Return the desk with what a model finds; the same question is not asked twice.

        Args:
            shelf: Where the model stands.
            model: Its name there.
            names: What to look for; they come back as labels exactly as given.

        Raises:
            InputError: If there is no picture or no such model, a name is blank or stands twice,
                there is none, or the model names no objects.
        """
        if self.pixels is None:
            raise InputError("drop a picture first")
        if self.answers(model, names):
            return self
        found = find(shelf.get(model), self.pixels, names)
        result = replace(found, file_name=self.file_name)
        return replace(self, question=(model, *names), result=result)

    def clear(self) -> "Desk":
        """Return the desk with nothing asked."""
        return replace(self, question=(), result=None)

    def show(self, message: str = "") -> dict[str, Any]:
        """Return what the stage draws.

        Args:
            message: One line to the visitor.
        """
        objects = None if self.result is None else as_objects(self.result)
        return {"picture": self.picture, "objects": objects, "message": message}

    def write(self, suffix: str, threshold: float) -> dict[str, str]:
        """Return a file of the objects that score at least ``threshold``.

        Args:
            suffix: ``.json`` for COCO's JSON, ``.png`` for the annotated picture.
            threshold: In [0, 1].

        Returns:
            Its ``name`` and its content as a ``data`` URL.

        Raises:
            InputError: If nothing was asked.
        """
        if self.result is None:
            raise InputError("there is nothing to download: drop a picture and name something")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"found{suffix}"
            self.result.filter(min_score=threshold).save(path)
            content = base64.b64encode(path.read_bytes()).decode("ascii")
        stem = Path(self.file_name).stem or "picture"
        return {"name": f"{stem}_found{suffix}", "data": f"data:{_TYPES[suffix]};base64,{content}"}


def find(model: Model, pixels: Pixels, names: list[str]) -> Result:
    """Return all that is worth showing under some threshold.

    Raises:
        InputError: If a name is blank or stands twice, there is none, or the model names no
            objects.
    """
    least = min(LOWEST, model.settings.threshold)
    if model.task == DETECT:
        return model.detect(pixels, names, threshold=least, top_k=_TOP)
    if INSTANCE not in model.detector.tasks:
        raise InputError(f"{model.name} gives maps, not objects: pick another model")
    return model.segment(pixels, names, INSTANCE, threshold=least, top_k=_TOP)
