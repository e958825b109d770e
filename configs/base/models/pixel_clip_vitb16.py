"""CLIP ViT-B/16, frozen, whose patches are compared with names.

A method chooses the readout. CLIP's weights come from elsewhere: OpenAI's archive or any
conversion of it, by path or by its name in the model zoo.
"""

clip_name = "ViT-B-16-quickgelu"
clip_file = "ViT-B-16.pt"

dim = 512  # D
image_tower = dict(
    type="ClipTower",
    name=clip_name,
    weights=clip_file,
    readout=dict(type="ValuePath"),
    frozen=True,
)
model = dict(
    type="PixelSegmentor",
    trunk=image_tower,
    text=dict(
        type="TextClasses",
        encoder=dict(type="OpenClipText", name=clip_name, weights=clip_file),
        templates="clip80",
    ),
    head=dict(type="CosinePixelHead", scale=100.0),
    settings=dict(
        type="PixelSettings",
        views=dict(type="PixelViews"),
        answers=dict(type="PixelAnswers"),
    ),
)

# The contract tests build this: the same parts, narrow. Full width runs under `pytest -m slow`.
reduced = {
    "model.trunk": dict(
        type="ClipVit",
        shape=dict(type="ClipVitShape", patch=16, width=32, layers=2, heads=2, dim=dim, grid=4),
        readout=dict(type="ValuePath"),
        frozen=True,
    ),
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=dim, width=16, layers=1, embed_width=8
    ),
    "model.text.templates": "single",
}
