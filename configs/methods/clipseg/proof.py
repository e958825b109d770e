"""CLIPSeg's smallest proof on stickers-seg: text as condition, pictures as prompts, three taps.

python tools/prove.py clipseg
"""

_own = "CLIPSeg"
_text_only = "learnt by names alone"
_config = "clipseg_tiny_stickers.py"
_one_shot = "clipseg_oneshot_tiny_stickers.py"
_plain = {"model.settings.prompts": None}
_one_tap = {"model.trunk.blocks": (0,), "model.head.taps": (192,)}
variants = [
    dict(name="a learnt row a name (baseline)", config="clipseg_table_tiny_stickers.py"),
    dict(name=_text_only, config=_config, options=_plain),
    dict(name=_own, config=_config),
    dict(
        name="learnt by names alone, one-shot",
        config=_one_shot,
        options=_plain,
        weights_of=_text_only,
    ),
    dict(name="CLIPSeg, one-shot", config=_one_shot, weights_of=_own),
    dict(name="CLIPSeg, one tap", config=_config, options=_one_tap),
]
figures = {
    "unseen mIoU": "semantic/mIoU(U)",
    "seen mIoU": "semantic/mIoU(S)",
    "hIoU": "semantic/hIoU",
    "pAcc": "semantic/pAcc",
}
