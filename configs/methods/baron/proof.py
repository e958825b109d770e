"""BARON's smallest proof on stickers-ov: bags teach more than single regions do.

python tools/prove.py baron

What is contrasted alone has the weight 1, single regions too; together they have the paper's
weights, 1 for bags and 0.1 for single regions.
"""

_objective = "model.settings.objectives.0"
_single_regions = {
    f"{_objective}.bags": None,
    f"{_objective}.positions": None,
    f"{_objective}.settings.single_weight": 1.0,
}
_bags = {f"{_objective}.singles": None}

variants = [
    dict(name="text only (baseline)", of="vild"),
    dict(
        name="single regions",
        config="baron_tiny_stickers.py",
        options=_single_regions,
    ),
    dict(name="bags", config="baron_tiny_stickers.py", options=_bags),
    dict(name="bags and single regions", config="baron_tiny_stickers.py"),
]
figures = {
    "novel AP50": "coco/bbox/novel/AP50",
    "base AP50": "coco/bbox/base/AP50",
    "all AP50": "coco/bbox/all/AP50",
    "novel mask AP50": "coco/segm/novel/AP50",
    "novel proposals@100": "proposals@100/novel",
}
