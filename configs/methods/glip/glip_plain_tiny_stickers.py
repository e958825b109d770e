"""GLIP without fusion, the baseline: the same layers, image and text never see each other.

python tools/train.py configs/methods/glip/glip_plain_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/datasets/stickers_phrases_names.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

dim = 128  # D, of tiny-clip
width = 96  # c; 256 in the paper, for pictures of 800 px
blocks = 2  # 6 in the paper

text_tower = dict(
    type="Pretrained",
    module=dict(
        type="TinyTextTransformer",
        dim=dim,
        width=128,
        layers=1,
        heads=4,
        context=77,
        embed_width=40,
    ),
    file="tiny-clip.safetensors",
    prefix="text.",
)
trunk = dict(
    type="PyramidTrunk",
    trunk=dict(
        type="LastLevels",  # strides 8 and 16: objects have 18 to 60 px
        trunk=dict(
            type="Pretrained",
            module=dict(type="SmallTrunk", widths=(32, 64, 128, 256)),
            file="tiny-clip.safetensors",
            prefix="image.trunk.",
        ),
        count=2,
    ),
    width=width,
)
text_layer = dict(type="TokenLayer", dim=dim, heads=4, hidden=2 * dim)
image_layer = dict(type="LevelConv", width=width)
head = dict(type="TokenDotHead", width=width, dim=dim, sizes=(24, 48))
settings = dict(
    type="DenseSettings",
    selection=dict(type="Selection", threshold=1e-4, nms=0.6, top=100),
    names=dict(type="PhraseNames", negatives=40),  # paper: 85, of 365 names
    use_quality=True,
)
criterion = dict(type="GlipCriterion")
model = dict(
    type="GroundingDetector",
    detector=dict(
        type="DenseDetector",
        trunk=trunk,
        # Names are encoded one by one: a caption may have the paper's 256 tokens.
        text=dict(type="TokenText", encoder=text_tower, layers=[text_layer] * blocks, tokens=256),
        head=dict(tower=[image_layer] * blocks, **head),
        criterion=criterion,
        settings=settings,
    ),
)

train = dict(iters=900)
optim = dict(precision="bfloat16")
