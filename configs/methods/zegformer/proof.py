"""ZegFormer's smallest proof on stickers-seg: two trainings a seed, the rest only measures.

python tools/prove.py zegformer
"""

_config = "zegformer_tiny_stickers.py"
_trained = "masks named by their queries"
_pixels_config = "zegformer_pixels_tiny_stickers.py"
_pixels = "pixels named by themselves (baseline)"


def _reads(base, novel, bias=0.0, *, mean=True):
    """Return the options of a row that gives the crops' score these exponents."""
    return {
        "model.scores.base_share": base,
        "model.scores.novel_share": novel,
        "model.scores.mean_base": mean,
        "model.settings.seen_bias": bias,
    }


def _measured(name, options):
    return dict(name=name, config=_config, options=options, weights_of=_trained)


def _calibrated(bias):
    """Return a row that lowers the pixels' logits of seen names."""
    answers = dict(type="PixelAnswers", seen_bias=bias)
    options = {"model.settings": dict(type="PixelSettings", answers=answers)}
    name = f"pixels, seen bias {bias}"
    return dict(name=name, config=_pixels_config, options=options, weights_of=_pixels)


variants = [
    dict(name=_pixels, config=_pixels_config),
    _calibrated(1.0),
    _calibrated(3.0),
    dict(name=_trained, config=_config, options=_reads(0.0, 0.0)),
    _measured("fused with crops", _reads(1 / 3, 2 / 3)),
    _measured("crops alone", _reads(1.0, 1.0, mean=False)),
    _measured("fused, crops believed about seen names", _reads(1 / 3, 2 / 3, mean=False)),
    _measured("ZegFormer: fused, seen bias 0.1", _reads(1 / 3, 2 / 3, 0.1)),
    _measured("fused, seen bias 0.05", _reads(1 / 3, 2 / 3, 0.05)),
    _measured("fused, seen bias 0.2", _reads(1 / 3, 2 / 3, 0.2)),
]
figures = {
    "mIoU(U)": "semantic/mIoU(U)",
    "mIoU(S)": "semantic/mIoU(S)",
    "hIoU": "semantic/hIoU",
    "mIoU": "semantic/mIoU",
}
