"""tiny-clip's ViT, whose patches are compared with its text tower's names, D = 128.

A method chooses the readout. Nothing learns.
"""

dim = 128
scale = 22.0  # what tiny-clip-vit learnt as its inverse temperature; tiny-clip's own is 28
text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
image_tower = dict(
    type="Pretrained",
    module=dict(
        type="SmallVit",
        dim=dim,
        width=192,
        layers=4,
        heads=3,
        stem=(32, 64),
        grid=8,
        readout=dict(type="ValuePath"),
        keys=True,
    ),
    file="tiny-clip-vit.safetensors",
    prefix="image.tower.",
)
cosine = dict(type="CosinePixelHead", scale=scale)
model = dict(
    type="PixelSegmentor",
    trunk=image_tower,
    text=dict(
        type="TextClasses",
        encoder=dict(
            type="Pretrained", module=text_tower, file="tiny-clip.safetensors", prefix="text."
        ),
        templates="single",
    ),
    head=cosine,
    settings=dict(
        type="PixelSettings",
        # tiny-clip's pictures are filled by one object. 40 of 160 px were labelled better when seen
        # at 240 px: the value path's mIoU was 14.6 instead of 12.0.
        views=dict(type="PixelViews", scales=(1.5,)),
        answers=dict(type="PixelAnswers"),
    ),
)
