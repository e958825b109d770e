"""CLIPSeg: one binary segmenter that is asked by a name, by a picture, or by a blend of both.

Lueddecke and Ecker, "Image Segmentation Using Text and Image Prompts", CVPR 2022,
https://arxiv.org/abs/2112.10003, Sec. 3 and 4.

Slots, in the pixel assembly: text (``ClipsegText``), its head (``ClipsegDecoder``), what an image
is asked with while it learns (``ClipsegPrompts``), and examples in place of names
(``ClipsegExamples``). The trunk (``VitTaps``), which class an image is asked for (``OnePixelName``)
and the criterion (``PixelBinaryCrossEntropy``) are shared parts.
"""

from ovdet.methods.clipseg.decoder import ClipsegDecoder
from ovdet.methods.clipseg.prompts import (
    ClipsegExamples,
    ClipsegPrompts,
    ClipsegText,
    ClipsegView,
    with_length,
)
from ovdet.methods.clipseg.weights import load_published, rename_published

__all__ = [
    "ClipsegDecoder",
    "ClipsegExamples",
    "ClipsegPrompts",
    "ClipsegText",
    "ClipsegView",
    "load_published",
    "rename_published",
    "with_length",
]
