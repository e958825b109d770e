"""CLIP RN50, frozen, the cells of whose attention pool are compared with names.

CLIP's weights come from elsewhere: OpenAI's archive or any conversion of it, by path or by its name
in the model zoo.
"""

clip_name = "RN50-quickgelu"
clip_file = "RN50.pt"

dim = 1024  # D
image_tower = dict(type="ClipTower", name=clip_name, weights=clip_file, dense=True, frozen=True)
model = dict(
    type="PixelSegmentor",
    trunk=image_tower,
    text=dict(
        type="TextClasses",
        encoder=dict(type="OpenClipText", name=clip_name, weights=clip_file),
        templates="clip80",
    ),
    head=dict(type="CosinePixelHead", scale=100.0),
)

# The contract tests build this: the same parts, narrow. Full width runs under `pytest -m slow`.
narrow_tower = dict(
    type="ClipResNet",
    layers=(1, 1, 1, 1),
    width=4,
    pool=dict(type="ClipAttentionPool", width=128, dim=dim, heads=2, grid=2),
    dense=True,
    frozen=True,
)
reduced = {
    "model.trunk": narrow_tower,
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=dim, width=16, layers=1, embed_width=8
    ),
    "model.text.templates": "single",
}
