"""The parts of the page, where they stand, and how they look."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovdet.page.desk import LOWEST, Desk
from ovdet.page.names import suggest

_ASSETS = Path(__file__).parent / "assets"
_HEAD = """<div class="ov-head"><h1>ovdet</h1>
<p>Name anything in plain words, see where it is.</p></div>"""
_MORE = "Others: `ovdet app --model NAME`; their names: `ovdet models list`"
_FONTS = ("ui-sans-serif", "system-ui", "sans-serif")  # the visitor's own: none is fetched
_MONO = ("ui-monospace", "Consolas", "monospace")


@dataclass(frozen=True)
class Parts:
    """What a visitor can touch, each a component of gradio's.

    Attributes:
        names: The field of names; its value is a list of them.
        model: The choice of a model.
        chosen: The name of the model that the slider was set for.
        threshold: The slider.
        find: The button that asks.
        files: A button for each file, by its suffix.
        stage: The picture with what was found; its value is what ``Desk.show`` gives.
        courier: Hands files over; its value is what ``Desk.write`` gives.
        desk: The visitor's ``Desk``.
    """

    names: Any
    model: Any
    chosen: Any
    threshold: Any
    find: Any
    files: dict[str, Any]
    stage: Any
    courier: Any
    desk: Any


def import_gradio() -> Any:
    """Return the package gradio, which then tells nobody that it is used.

    Raises:
        ImportError: If it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "0"
    try:
        import gradio
    except ImportError as error:
        raise ImportError('the page needs gradio: pip install "ovdet[app]"') from error
    return gradio


def lay_out(models: Sequence[str], threshold: float) -> Parts:
    """Set the parts out on the page that is open in gradio.

    Args:
        models: Names of models, the first one chosen.
        threshold: Where the slider stands at first, in [0, 1].
    """
    gr = import_gradio()
    gr.HTML(_HEAD, apply_default_css=False, elem_id="head")
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            names = _own("names", [], server_functions=[suggest])
            choice = {"value": models[0], "label": "Model", "info": _MORE, "elem_id": "model"}
            model = gr.Dropdown(list(models), **choice)
            slider = gr.Slider(LOWEST, 1, threshold, step=0.01, label="Threshold", elem_id="least")
            find = gr.Button("Find", variant="primary", elem_id="find")
            with gr.Row():
                json = gr.Button("Save JSON", size="sm", min_width=80, elem_id="json")
                png = gr.Button("Save PNG", size="sm", min_width=80, elem_id="png")
        with gr.Column(scale=3, min_width=480):
            stage = _own("stage", Desk().show())
    files = {".json": json, ".png": png}
    chosen, courier, desk = gr.State(models[0]), _own("courier", None), gr.State(Desk())
    return Parts(names, model, chosen, slider, find, files, stage, courier, desk)


def looks() -> dict[str, Any]:
    """Return the theme and the style sheet, as ``gradio.Blocks.launch`` takes them."""
    gr = import_gradio()
    theme = gr.themes.Default(primary_hue="indigo", font=_FONTS, font_mono=_MONO)
    return {"theme": theme, "css": _read("page.css")}


def _own(name: str, value: Any, **more: Any) -> Any:
    """Return a component of our own, made of the files of its name."""
    template, script = _read(f"{name}.html"), _read(f"{name}.js")
    facts = {"html_template": template, "js_on_load": script, "elem_id": name}
    return import_gradio().HTML(value, apply_default_css=False, **facts, **more)


def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
