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
from ovdet.structures.prompts import Prompt, Shown

LOWEST = 0.05  # what scores less is not worth a look, whatever the slider says
_TOP = 300
_THUMB = 96  # px
_TYPES = {".json": "application/json", ".png": "image/png"}


@dataclass(frozen=True, eq=False)
class Example:
    """A box that somebody drew around a thing to look for.

    Attributes:
        label: What it is called.
        pixels: The picture it was drawn in, RGB, uint8, [H, W, 3].
        box: xyxy, px of that picture.
    """

    label: str
    pixels: Pixels
    box: tuple[float, float, float, float]

    def show(self) -> dict[str, Any]:
        """Return the label and a small picture of what is in the box, a data URL."""
        x1, y1, x2, y2 = (int(side) for side in self.box)
        part = self.pixels[y1 : max(y1 + 1, y2), x1 : max(x1 + 1, x2)]
        return {"label": self.label, "source": as_picture(part, _THUMB)["source"]}


@dataclass(frozen=True, eq=False)
class Desk:
    """A picture and what was found in it; each step returns the next desk.

    Attributes:
        pixels: The picture, RGB, uint8, [H, W, 3]; None before there is one.
        picture: The same as a browser shows it, see ``as_picture``.
        file_name: As the visitor calls it.
        examples: What was drawn, in this picture or in others before it.
        question: The model's name, the names and the examples of the last answer.
        result: All that scores at least ``LOWEST``, or what the model itself would show; None
            before something was asked.
    """

    pixels: Pixels | None = None
    picture: dict[str, Any] | None = None
    file_name: str = ""
    examples: tuple[Example, ...] = ()
    question: tuple[Any, ...] = ()
    result: Result | None = None

    def put(self, path: Path, file_name: str) -> "Desk":
        """Return a desk with another picture.

        Raises:
            InputError: If it cannot be read.
        """
        pixels = read_image(path, file_name)
        return Desk(pixels, as_picture(pixels), file_name, self.examples)

    def draw(self, label: str, box: Sequence[float]) -> "Desk":
        """Return the desk with one example more.

        Args:
            label: What it comes back as.
            box: xyxy, px of the picture; what lies outside is cut off.

        Raises:
            InputError: If there is no picture, the label is blank, or nothing is in the box.
        """
        if self.pixels is None:
            raise InputError("drop a picture first")
        height, width = self.pixels.shape[:2]
        x1, x2 = (min(max(float(side), 0), width) for side in box[::2])
        y1, y2 = (min(max(float(side), 0), height) for side in box[1::2])
        shown = Shown(self.pixels, ((x1, y1, x2, y2),))
        Prompt(label, shown=(shown,))
        return replace(self, examples=(*self.examples, Example(label, self.pixels, shown.boxes[0])))

    def forget(self, label: str) -> "Desk":
        """Return the desk without the examples of a label."""
        return replace(self, examples=tuple(e for e in self.examples if e.label != label))

    def answers(self, model: str, names: Sequence[str]) -> bool:
        """Tell whether the result answers a question."""
        return self.result is not None and self.question == self._question(model, names)

    def ask(self, shelf: Shelf, model: str, names: list[str]) -> "Desk":
        """Return the desk with what a model finds; the same question is not asked twice.

        Args:
            shelf: Where the model stands.
            model: Its name there.
            names: What to look for; they come back as labels exactly as given.

        Raises:
            InputError: If there is no picture, nothing to look for or no such model, a name is
                blank or stands twice, the model names no objects, or it cannot look at examples.
        """
        if self.pixels is None:
            raise InputError("drop a picture first")
        if not names and not self.examples:
            raise InputError("type a name first")
        if self.answers(model, names):
            return self
        found = find(shelf.get(model), self.pixels, self._classes(names))
        result = replace(found, file_name=self.file_name)
        return replace(self, question=self._question(model, names), result=result)

    def _question(self, model: str, names: Sequence[str]) -> tuple[Any, ...]:
        return (model, tuple(names), self.examples)

    def _classes(self, names: list[str]) -> list[str | Prompt]:
        """Return names, and prompts for what was drawn, with its name where that was typed too."""
        drawn: dict[str, list[Shown]] = {}
        for one in self.examples:
            drawn.setdefault(one.label, []).append(Shown(one.pixels, (one.box,)))
        classes = [Prompt(n, shown=tuple(drawn[n])) if n in drawn else n for n in names]
        shown = {label: tuple(parts) for label, parts in drawn.items() if label not in names}
        return [*classes, *(Prompt(label, shown=s, named=False) for label, s in shown.items())]

    def clear(self) -> "Desk":
        """Return the desk with nothing asked."""
        return replace(self, question=(), result=None)

    def show(self, message: str = "") -> dict[str, Any]:
        """Return what the stage draws.

        Args:
            message: One line to the visitor.
        """
        objects = None if self.result is None else as_objects(self.result)
        return {
            "picture": self.picture,
            "objects": objects,
            "examples": [one.show() for one in self.examples],
            "message": message,
        }

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


def find(model: Model, pixels: Pixels, classes: list[str | Prompt]) -> Result:
    """Return all that is worth showing under some threshold.

    Raises:
        InputError: If a name is blank or stands twice, there is none, the model names no objects,
            or it cannot look at a prompt's pictures.
    """
    least = min(LOWEST, model.settings.threshold)
    if model.task == DETECT:
        return model.detect(pixels, classes, threshold=least, top_k=_TOP)
    if INSTANCE not in model.detector.tasks:
        raise InputError(f"{model.name} gives maps, not objects: pick another model")
    found: Result = model.segment(pixels, classes, INSTANCE, threshold=least, top_k=_TOP)
    return found
