"""What happens when a part of the page is touched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ovdet.page.desk import LOWEST, Desk
from ovdet.page.parts import Parts, import_gradio
from ovdet.page.shelf import Shelf
from ovdet.structures import InputError

_SIFT = "t => {window.dispatchEvent(new CustomEvent('ovdet:threshold', {detail: t}))}"
_WRONG = (ValueError, OSError, ImportError, RuntimeError)  # what files and models may raise
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_MODEL: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_id": "model",  # visitors wait for each other
    "trigger_mode": "always_last",  # who goes on typing is answered once
}


def connect(page: Any, parts: Parts, shelf: Shelf) -> None:
    """Say what each part does.

    Args:
        page: The ``gradio.Blocks`` that is open.
        parts: What stands on it.
        shelf: The models.
    """
    gr = import_gradio()
    stay = gr.skip()
    asked: dict[str, Any] = {
        "inputs": [parts.desk, parts.model, parts.names],
        "outputs": [parts.desk, parts.stage],
        "show_progress_on": parts.stage,
        **_MODEL,
    }
    again = _go_on(shelf, stay)
    gr.on([parts.find.click, parts.names.submit], _ask(shelf), **asked)
    parts.names.edit(again, **asked)
    told, moved = [parts.model, parts.chosen], [parts.threshold, parts.chosen]
    parts.model.input(_threshold(shelf, stay), told, moved, **_QUIET).then(again, **asked)
    stage = parts.stage
    for event, change in ((stage.drop, _put), (stage.example, _draw), (stage.forget, _forget)):
        changed = event(_changing(change), parts.desk, [parts.desk, stage], **_QUIET)
        changed.then(again, **asked)
    for suffix, button in parts.files.items():
        given, taken = [parts.desk, parts.threshold], [parts.courier, parts.stage]
        button.click(_write(suffix, stay), given, taken, **_QUIET)
    parts.threshold.change(None, parts.threshold, js=_SIFT)
    page.load(None, parts.threshold, js=_SIFT)


def first_threshold(shelf: Shelf, name: str) -> float:
    """Return where the slider stands when a model is chosen, in [``LOWEST``, 1].

    Raises:
        InputError: If there is no such model, or it cannot be loaded.
    """
    return max(LOWEST, shelf.get(name).settings.threshold)


def _ask(shelf: Shelf) -> Callable[[Desk, str, list[str]], tuple[Desk, Any]]:
    def ask(desk: Desk, model: str, names: list[str]) -> tuple[Desk, Any]:
        try:
            desk = desk.ask(shelf, model, names)
        except _WRONG as error:
            return desk, desk.show(_line(error))
        return desk, desk.show()

    return ask


def _go_on(shelf: Shelf, stay: Any) -> Callable[..., Any]:
    """Return what asks anew where something changed; who has not finished hears no complaint."""
    ask = _ask(shelf)

    def go_on(desk: Desk, model: str, names: list[str]) -> tuple[Any, Any]:
        if desk.pixels is None or desk.answers(model, names):
            return stay, stay
        if names or desk.examples:
            return ask(desk, model, names)
        cleared = desk.clear()
        return cleared, cleared.show()

    return go_on


def _threshold(shelf: Shelf, stay: Any) -> Callable[[str, str], tuple[Any, Any]]:
    """Return what sets the slider for another model; a menu also speaks when it only closes."""

    def threshold(model: str, chosen: str) -> tuple[Any, Any]:
        if model == chosen:
            return stay, stay
        try:
            return first_threshold(shelf, model), model
        except _WRONG:
            return stay, stay  # asking it says why

    return threshold


def _changing(change: Callable[[Desk, Any], Desk]) -> Callable[..., Any]:
    """Return what changes the desk as an event of the stage says."""
    from gradio import EventData

    def changing(desk: Desk, event: EventData) -> tuple[Desk, Any]:
        try:
            desk = change(desk, event)
        except _WRONG as error:
            return desk, desk.show(_line(error))
        return desk, desk.show()

    return changing


def _put(desk: Desk, event: Any) -> Desk:
    return desk.put(_uploaded(event.path), Path(str(event.name)).name)


def _draw(desk: Desk, event: Any) -> Desk:
    return desk.draw(event.label, event.box)


def _forget(desk: Desk, event: Any) -> Desk:
    return desk.forget(event.label)


def _uploaded(path: Any) -> Path:
    """Return a path that a visitor names, if a visitor's picture lies there."""
    from gradio.utils import get_upload_folder

    found = Path(str(path)).resolve()
    if not found.is_relative_to(Path(get_upload_folder()).resolve()):
        raise InputError("a picture must be sent before it is shown")
    return found


def _write(suffix: str, stay: Any) -> Callable[..., Any]:
    def write(desk: Desk, threshold: float) -> tuple[Any, Any]:
        try:
            return desk.write(suffix, threshold), stay
        except _WRONG as error:
            return stay, desk.show(_line(error))

    return write


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
