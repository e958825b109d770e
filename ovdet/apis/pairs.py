"""Two models as one: a detector and what draws its boxes, or a proposer of masks and a CLIP.

They are named together, ``A+B``.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovdet.apis.model import DETECT, Model, Settings
from ovdet.data.transforms import Resize
from ovdet.structures import InputError

_PLUS = "+"


def split_pair(model: str | Path | None) -> tuple[str, str] | None:
    """Return the two names in ``A+B``; None where that is one name, or a path that is there.

    Of several ``+`` the first one parts them behind which there is a path, else the last one.
    """
    text = str(model or "")
    if _PLUS not in text or Path(text).exists():
        return None
    places = [place for place, sign in enumerate(text) if sign == _PLUS]
    there = [place for place in places if Path(text[place + 1 :]).exists()]
    place = (there or places[-1:])[0]
    return text[:place], text[place + 1 :]


def join_pair(first: str, second: str, load: Callable[[str], Model]) -> tuple[Any, Settings, str]:
    """Return a pair's module, how it wants to be used, and its name.

    Args:
        first: What ``load`` takes, or a folder that proposes masks.
        second: A folder that draws the masks of boxes; behind a proposer a CLIP.
        load: A detector's name to the detector.

    Raises:
        InputError: If the two do not make a pair.
    """
    if not (first and second):
        raise InputError(f"two models are named A+B, got {first + _PLUS + second!r}")
    # Whoever loads one model alone need not wait for these.
    from ovdet.adapters import FolderMasks, load_folder, name_masks, proposes_masks

    name = f"{Path(first).name}{_PLUS}{Path(second).name}"
    if not proposes_masks(first):
        return *_drawn(first, second, load), name
    proposer: Any = load_folder(first)
    if not isinstance(proposer, FolderMasks):
        raise InputError(f"{first}: must propose masks, it does not")
    return name_masks(proposer, second), Settings(short=None), name


def _drawn(first: str, second: str, load: Callable[[str], Model]) -> tuple[Any, Settings]:
    """Return the detector of ``first`` whose boxes ``second`` draws."""
    from ovdet.adapters import BoxMasks, PromptedDetector, load_folder

    masks = load_folder(second)
    if not isinstance(masks, BoxMasks):
        raise InputError(
            f"{second}: behind a detector and '+' stands a folder of SAM, SAM 2 or SAM 3, which "
            "draws masks, it does not"
        )
    found = load(first)
    if found.task != DETECT:
        raise InputError(f"{found.name} is a segmentor: only a detector's boxes become masks")
    wish = found.settings
    resize = None if wish.short is None else Resize(wish.short, wish.max)
    return PromptedDetector(found.detector, masks, resize), replace(wish, short=None)


def refuse_half(module: Any, path: Path) -> None:
    """Refuse what is only one of a pair.

    Raises:
        InputError: If the module neither detects nor segments.
    """
    if not (hasattr(module, "predict") or hasattr(module, "segment")):
        raise InputError(
            f"{path}: is one half of a pair: name a folder that draws masks behind a detector, "
            "DETECTOR+FOLDER, and one that proposes masks before a CLIP, FOLDER+CLIP"
        )
