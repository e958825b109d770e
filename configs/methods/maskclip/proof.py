"""MaskCLIP's smallest proof on stickers-seg: what patches say for free, and what a student makes
of it.

python tools/prove.py maskclip
"""

_free = "maskclip_tiny_stickers.py"
_student = "maskclip_plus_tiny_stickers.py"
_block = dict(type="SelfSelfAttention", pairs=("qk",))  # CLIP's last block as it is
_prompts = dict(type="PromptDenoise", threshold=0.5)
# Twice as many names that no picture shows, beside the 20 that some do
_distractors = (
    "airplane", "ant", "apple", "banana", "bicycle", "bed", "broccoli", "butterfly", "camel",
    "camera", "candle", "castle", "broom", "cow", "crab", "dolphin", "door", "duck",
    "elephant", "feather", "giraffe", "guitar", "hammer", "bucket", "helicopter", "key",
    "knife", "laptop", "lemon", "lion", "coin", "owl", "pencil", "pizza", "drum", "scissors",
    "fox", "spoon", "kite", "umbrella",
)  # fmt: skip


def _row(name, refinements=(), **options):
    """Return a row that only measures, with refinements and further entries of the model."""
    entries = {f"model.{key.replace('__', '.')}": value for key, value in options.items()}
    return dict(
        name=name, config=_free, options={"model.refinements": list(refinements), **entries}
    )


_sharp = dict(head__scale=100.0)  # published: probabilities are those of 100 times the cosine
_many = dict(settings__answers__background_words=_distractors)
variants = [
    _row("last block (baseline)", trunk__module__readout=_block),
    _row("class token everywhere", trunk__module__readout=dict(type="ClassEverywhere")),
    _row("value path"),
    _row("value path, shortcut and linear maps", trunk__module__readout__residual=True,
         trunk__module__readout__ffn=True),
    _row("value path in windows", settings__views__window=96),
    _row("key smoothing", [dict(type="KeySmooth")], **_sharp),
    _row("key smoothing below 0.5", [dict(type="KeySmooth", threshold=0.5)], **_sharp),
    _row("prompt denoising", [_prompts], **_sharp),
    _row("prompt denoising, key smoothing", [_prompts, dict(type="KeySmooth")], **_sharp),
    _row("value path, 3 x names", **_many),
    _row("prompt denoising, 3 x names", [_prompts], **_sharp, **_many),
    dict(name="student, seen labels alone", config="maskclip_seen_tiny_stickers.py"),
    dict(name="MaskCLIP+, annotation-free", config="maskclip_free_tiny_stickers.py"),
    dict(name="MaskCLIP+", config=_student),
    dict(name="MaskCLIP+, guided throughout", config=_student,
         options={"model.settings.labels.guided": None}),
    dict(name="MaskCLIP+, never guided", config=_student,
         options={"model.settings.labels.guided": 0}),
]  # fmt: skip
figures = {
    "mIoU": "semantic/mIoU",
    "mIoU(S)": "semantic/mIoU(S)",
    "mIoU(U)": "semantic/mIoU(U)",
    "hIoU": "semantic/hIoU",
    "pAcc": "semantic/pAcc",
}
