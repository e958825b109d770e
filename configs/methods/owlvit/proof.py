"""OWL-ViT's smallest proof on stickers-ov: towers that know names carry over to boxes.

python tools/prove.py owlvit
"""

_own = "OWL-ViT"
_one_shot = "owlvit_oneshot_tiny_stickers.py"


def _shown(name, **rule):
    """Return a row that asks the trained model by example."""
    options = {f"model.settings.examples.rule.{key}": value for key, value in rule.items()}
    return dict(name=name, config=_one_shot, options=options, weights_of=_own)


variants = [
    dict(name="random towers (baseline)", config="owlvit_random_tiny_stickers.py"),
    dict(name=_own, config="owlvit_tiny_stickers.py"),
    _shown("one-shot"),
    _shown("one-shot, centre token", rule="centre"),
    _shown("three shots", shots=3),
    _shown("one-shot by chance", rule="random"),
]
figures = {
    "novel AP50": "coco/bbox/novel/AP50",
    "base AP50": "coco/bbox/base/AP50",
    "all AP50": "coco/bbox/all/AP50",
    "novel recall@100": "coco/recall50@100/novel",
}
