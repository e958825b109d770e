"""DetPro's smallest proof on stickers-ov: learnt prompts against written ones.

python tools/prove.py detpro

All rows name proposals of the pictures of val by their teacher's embeddings; the proposals are of
the detector of ViLD's proof. The baseline is averaged templates, as in the paper's ViLD*. The
single template is in the words that tiny-clip learnt from.
"""

labeler_of = "vild"
_PROMPTS = "detpro_prompts_tiny_stickers.py"
_load = dict(type="LoadProposals", file="{prepared}")
_load_val = dict(type="LoadProposals", file="{prepared_val}")
_measured = {
    "train.dataset.transforms": [_load],
    "val.dataset.transforms": [_load_val],
}
_tower = dict(
    type="Pretrained",
    module=dict(
        type="TinyTextTransformer",
        dim=128,
        width=128,
        layers=1,
        heads=4,
        context=77,
        embed_width=40,
    ),
    file="tiny-clip.safetensors",
    prefix="text.",
)


def _written(templates):
    """Return the options of a row with written prompts, which only measures."""
    text = dict(_delete_=True, type="TextClasses", encoder=_tower, templates=templates)
    return _measured | {"model.text": text, "model.objectives": [], "train": None}


def _learnt(**options):
    """Return the options of a row with one learnt context."""
    objective = dict(type="DetproPrompts", classes=65, scale=5.0, bands=(0.5,), **options)
    return _measured | {"model.text.count": 1, "model.objectives": [objective]}


variants = [
    dict(name="63 templates", config=_PROMPTS, options=_written("vild63"), prepared=True),
    dict(name="single template", config=_PROMPTS, options=_written("single"), prepared=True),
    dict(
        name="DetPro without background",
        config=_PROMPTS,
        options=_learnt(soft=False),
        prepared=True,
    ),
    dict(name="DetPro, soft background", config=_PROMPTS, options=_learnt(), prepared=True),
    dict(name="DetPro, 5 bands", config=_PROMPTS, options=_measured, prepared=True),
]
figures = {
    "novel top-1": "regions/novel/top1",
    "base top-1": "regions/base/top1",
    "AUROC": "regions/auroc",
}
