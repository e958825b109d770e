"""The report's picture: curves, causes, scores, confusions, and the images with most errors."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ovdet.evaluation.errors import CAUSES
from ovdet.evaluation.precision import RECALLS, mean_known
from ovdet.evaluation.results import Results
from ovdet.evaluation.run_lengths import to_rle
from ovdet.evaluation.truth import Coco
from ovdet.structures import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from ovdet.evaluation.report import Judged

_COLOURS = {
    "all": "#333333",
    "base": "#0072b2",
    "novel": "#d55e00",
    "frequent": "#0072b2",
    "common": "#009e73",
    "rare": "#d55e00",
}
_RIGHT, _WRONG, _MISSED = "#00c060", "#ff3030", "#ffb000"
_SHOWN = 640  # px; longer sides are reduced
_NAME = 22  # characters of a class name that are shown
_BOXES = 60  # of a kind in one image that are drawn; more would hide it

_Label = tuple[NDArray[np.float64], str, str]  # box x, y, width, height; colour; name


def draw_page(judged: "Judged", truth: Coco, results: Results, image_dir: Path | None) -> bytes:
    """Return the page as a PNG file's bytes.

    Args:
        judged: What the results are worth.
        truth: The COCO object that was judged by.
        results: The results that were judged.
        image_dir: The folder of the images; None draws boxes on grey.

    Raises:
        InputError: If an image cannot be read.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 17))
    panels = figure.add_gridspec(
        2, 3, left=0.13, right=0.98, top=0.97, bottom=0.5, wspace=0.45, hspace=0.24
    )
    for number, draw in enumerate(_PANELS):
        draw(figure.add_subplot(panels[divmod(number, 3)]), judged)
    title = (
        "Images with most errors: right (green), wrong (red), missed (dashed); "
        "named where there is room"
    )
    figure.text(0.5, 0.45, title, ha="center", fontsize=13)
    frames = figure.add_gridspec(2, 5, left=0.01, right=0.99, top=0.43, bottom=0.01, wspace=0.03)
    for number, image in enumerate(judged.worst_images()):
        frame = figure.add_subplot(frames[divmod(number, 5)])
        frame.set_axis_off()
        _show(frame, judged, (truth, results), image, image_dir)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    return stream.getvalue()


def _curves(panel: "Axes", judged: "Judged") -> None:
    for group, members in judged.groups.items():
        for row, style in ((0, "-"), (5, "--")):
            curves = judged.curves[row][members]
            curves = curves[~np.isnan(curves[:, 0])]
            if len(curves):
                label = f"{group} at {0.5 + 0.05 * row:.2g}: {100 * curves.mean():.1f}"
                colour = _COLOURS[group]
                panel.plot(RECALLS, curves.mean(axis=0), style, color=colour, label=label)
    panel.set(xlim=(0, 1), xlabel="recall", ylabel="precision, mean over classes")
    panel.set_title("Precision and recall, at two IoU")
    lines = panel.get_lines()
    lines = lines[::2] + lines[1::2]  # a column for each IoU, above all curves
    panel.legend(handles=lines, fontsize=8, ncols=2, handlelength=1.6, loc="upper center")
    panel.set_ylim(0, 1.06 + 0.04 * len(lines))
    panel.set_yticks(np.linspace(0, 1, 6))


def _causes(panel: "Axes", judged: "Judged") -> None:
    gains = [100 * judged.errors[f"gain/{cause}"] for cause in CAUSES]
    bars = panel.barh(CAUSES[::-1], gains[::-1], color="#0072b2")
    counts = [
        f"{gain:.1f}  ({judged.errors[f'count/{c}']:.0f})"
        for c, gain in zip(CAUSES, gains, strict=True)
    ]
    panel.bar_label(bars, counts[::-1], padding=3, fontsize=9)
    panel.margins(x=0.3)
    panel.set_xlabel("AP50 to be gained, points (number)")
    panel.set_title(f"What is lacking to AP50 {100 * judged.errors['AP']:.1f}")


def _scores(panel: "Axes", judged: "Judged") -> None:
    calibration = judged.calibration
    panel.set_title("Do the scores mean what they say?")
    if calibration is None:
        panel.set_axis_off()
        panel.text(0.5, 0.5, "not all scores are in [0, 1]", ha="center")
        return
    low, width = calibration.edges[:-1], np.diff(calibration.edges)
    height = np.nan_to_num(calibration.precision)
    panel.bar(low, height, width, align="edge", color="#56b4e9", edgecolor="white")
    panel.plot([0, 1], [0, 1], color="#333333", linewidth=1)
    known = calibration.count > 0
    panel.plot(calibration.score[known], calibration.precision[known], "o", color="#0072b2")
    for x, y, count in zip(low + width / 2, height, calibration.count, strict=True):
        panel.text(x, y + 0.03, _brief(count), ha="center", fontsize=7)
    panel.set(xlim=(0, 1), ylim=(0, 1.08), xlabel="score (number of detections)")
    panel.set_ylabel("precision at IoU 0.5")
    panel.set_title(f"Scores: expected calibration error {100 * calibration.error:.1f} %")


def _confusions(panel: "Axes", judged: "Judged") -> None:
    from matplotlib.ticker import MaxNLocator

    pairs = judged.worst_pairs()
    panel.set_title("Objects taken for another class")
    if not pairs:
        panel.set_axis_off()
        panel.text(0.5, 0.5, "none", ha="center")
        return
    names = [_printable(name, _NAME // 2) for name in judged.names]
    counts = [int(judged.confusions[pair]) for pair in pairs]
    rows = np.arange(len(pairs))[::-1]
    shares = [100 * judged.confusions[pair] / judged.overlaps.positives[pair[0]] for pair in pairs]
    bars = panel.barh(rows, counts, color="#d55e00")
    panel.set_yticks(rows, [f"{names[a]} → {names[b]}" for a, b in pairs], fontsize=9)
    labels = [f"{count}  ({share:.0f} %)" for count, share in zip(counts, shares, strict=True)]
    panel.bar_label(bars, labels, padding=3, fontsize=9)
    panel.margins(x=0.3)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_xlabel("objects (part of the class)")


def _classes(panel: "Axes", judged: "Judged") -> None:
    precision = judged.curves.mean(axis=(0, 2))
    for group, members in judged.groups.items():
        values = np.sort(precision[members & ~np.isnan(precision)])[::-1]
        if len(values):
            label = f"{group} ({len(values)}): {100 * mean_known(values):.1f}"
            place = (np.arange(len(values)) + 0.5) / len(values)
            panel.plot(place, values, ".-", color=_COLOURS[group], label=label, markersize=4)
    panel.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="AP")
    panel.set_xlabel("part of the classes, best first")
    panel.set_title("AP of the classes")
    panel.legend(fontsize=9)


def _weakest(panel: "Axes", judged: "Judged") -> None:
    precision = judged.curves.mean(axis=(0, 2))
    known = np.flatnonzero(~np.isnan(precision))
    weak = known[np.argsort(precision[known], kind="stable")][:12]
    rows = np.arange(len(weak))[::-1]
    bars = panel.barh(rows, 100 * precision[weak], color="#999999")
    panel.set_yticks(rows, [_printable(judged.names[i], _NAME - 6) for i in weak], fontsize=9)
    counts = judged.overlaps.positives[weak]
    pairs = zip(precision[weak], counts, strict=True)
    panel.bar_label(bars, [f"{100 * p:.1f}  ({n})" for p, n in pairs], padding=3, fontsize=9)
    panel.set_xlim(0, max(1.0, 130 * precision[weak].max(initial=0)))
    panel.set_xlabel("AP, % (objects)")
    panel.set_title("Weakest classes")


_PANELS = (_curves, _causes, _scores, _confusions, _classes, _weakest)


def _show(
    frame: "Axes",
    judged: "Judged",
    files: tuple[Coco, Results],
    image: int,
    image_dir: Path | None,
) -> None:
    """Draw one image, what was found and what was missed."""
    truth, results = files
    overlaps = judged.overlaps
    entry = next(e for e in truth["images"] if e["id"] == overlaps.images[image])
    lost = np.flatnonzero(judged.missed & (overlaps.object_image == image))
    wrong = np.flatnonzero(judged.wrong & (overlaps.image == image))
    held = np.flatnonzero(~judged.missed & (overlaps.object_image == image))
    picture, scale = _picture(entry, image_dir)
    frame.imshow(picture)
    frame.set(xlim=(0, picture.shape[1]), ylim=(picture.shape[0], 0))
    frame.set_title(f"{entry['id']}: {len(wrong)} wrong, {len(lost)} missed", fontsize=10)
    labels: list[_Label] = []
    for chosen, colour, style in ((held, _RIGHT, "-"), (lost, _MISSED, "--")):
        for i in chosen[:_BOXES]:
            box = np.array(truth["annotations"][overlaps.annotation[i]]["bbox"]) * scale
            _outline(frame, box, colour, style)
            if style == "--":
                labels.append((box, colour, _short(judged.names[overlaps.object_label[i]], _NAME)))
    for i in wrong[:_BOXES]:
        box = _sides(results, int(overlaps.result[i])) * scale
        _outline(frame, box, _WRONG, "-")
        name = f"{_short(judged.names[overlaps.label[i]], _NAME)} {overlaps.score[i]:.2f}"
        labels.append((box, _WRONG, name))
    _label(frame, labels)


def _outline(frame: "Axes", box: NDArray[np.float64], colour: str, style: str) -> None:
    from matplotlib.patches import Rectangle

    x, y, width, height = box.tolist()
    patch = Rectangle((x, y), width, height, fill=False, edgecolor=colour, linestyle=style)
    patch.set_linewidth(1.6)
    frame.add_patch(patch)


def _label(frame: "Axes", labels: list[_Label]) -> None:
    """Write names at their boxes, each where no other stands; where there is no room, none."""
    frame.apply_aspect()  # extents are asked for before anything is drawn
    inside = frame.get_window_extent()
    taken: list[Bbox] = []
    for (x, y, _, height), colour, name in labels:
        places = [(y, "bottom"), (y, "top"), (y + height, "bottom"), (y + height, "top")]
        for place, side in places:
            text = frame.text(
                x,
                place,
                _printable(name, 2 * _NAME),
                fontsize=7,
                verticalalignment=side,
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
            )
            extent = text.get_window_extent().padded(1.5)
            within = inside.x0 <= extent.x0 and extent.x1 <= inside.x1
            within = within and inside.y0 <= extent.y0 and extent.y1 <= inside.y1
            if within and not any(extent.overlaps(other) for other in taken):
                taken.append(extent)
                break
            text.remove()


def _sides(results: Results, place: int) -> NDArray[np.float64]:
    """Return x, y, width and height of a detection, px."""
    if results.boxes is not None:
        sides: NDArray[np.float64] = results.boxes[place]
        return sides
    from pycocotools import mask as coco_mask

    mask = results.masks[place] if results.masks is not None else {}
    box: NDArray[np.float64] = coco_mask.toBbox(to_rle(mask, *mask["size"]))
    return box


def _picture(entry: dict[str, Any], image_dir: Path | None) -> tuple[NDArray[np.uint8], float]:
    """Return an image [H, W, 3], at most ``_SHOWN`` px long, and by how much it was scaled."""
    if image_dir is None:
        height, width = entry["height"], entry["width"]
        scale = min(1.0, _SHOWN / max(height, width))
        size = (max(round(height * scale), 1), max(round(width * scale), 1), 3)
        return np.full(size, 225, np.uint8), scale
    name = entry.get("file_name") or Path(entry.get("coco_url", "")).name
    path = Path(image_dir) / name
    try:
        with Image.open(path) as stored:
            scale = min(1.0, _SHOWN / max(stored.size))
            shown = stored.convert("RGB")
            shown.thumbnail((_SHOWN, _SHOWN))
            return np.asarray(shown), scale
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an image: {error}") from error


def _brief(count: float) -> str:
    """Return a whole number in few characters, as its bar is narrow: 950, 9.5k, 95k."""
    if count < 1000:
        return f"{count:.0f}"
    unit = "k" if count < 1e6 else "M"
    shown = count / (1e3 if unit == "k" else 1e6)
    return f"{shown:.1f}{unit}" if shown < 9.95 else f"{shown:.0f}{unit}"


def _printable(name: str, length: int) -> str:
    """Return a name that the page's font can write, without matplotlib's own signs."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    known = "".join(
        c if font.get_char_index(ord(c)) else c.encode("unicode_escape").decode()
        for c in _short(name, length)
    )
    return known.replace("$", r"\$")


def _short(name: str, length: int) -> str:
    return name if len(name) <= length + 2 else f"{name[:length]}..."
