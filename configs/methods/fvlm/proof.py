"""F-VLM's smallest proof on stickers-ov: one training a seed, three ways to read its scores.

python tools/prove.py fvlm
"""


def _shares(base, novel, normalize):
    """Return the options of a row that gives the tower's score these exponents."""
    return {
        "model.scores.base_share": base,
        "model.scores.novel_share": novel,
        "model.scores.normalize": normalize,
    }


_config = "fvlm_tiny_stickers.py"
_trained = "detector score alone"
variants = [
    dict(name="text only (baseline)", of="vild"),
    dict(name=_trained, config=_config, options=_shares(0.0, 0.0, False)),
    dict(name="F-VLM, scores fused", config=_config, weights_of=_trained),
    dict(
        name="tower's score alone",
        config=_config,
        options=_shares(1.0, 1.0, False),
        weights_of=_trained,
    ),
    dict(name="oracle (novel boxes too)", of="vild"),
]
figures = {
    "novel AP50": "coco/bbox/novel/AP50",
    "base AP50": "coco/bbox/base/AP50",
    "all AP50": "coco/bbox/all/AP50",
    "novel mask AP50": "coco/segm/novel/AP50",
    "novel proposals@100": "proposals@100/novel",
}
