"""CLIPSeg, rd64, CLIP ViT-B/16 at 352 px, on COCO-Stuff's 156 seen classes. Published: none on it.

python tools/train.py configs/methods/clipseg/clipseg_b16_cocostuff-zs.py  # 8 devices x 8 images

The paper learns from PhraseCut's 340,000 phrases, on one device with 64 images. Here the seen
classes of COCO-Stuff stand for them. CLIP's weights: OpenAI's archive, by path or by its name in
the model zoo.
"""

_base_ = [
    "../../base/datasets/cocostuff_zs.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

clip_name = "ViT-B-16-quickgelu"
clip_file = "ViT-B-16.pt"
size = 352  # px; 22 x 22 tokens
predict = dict(short=size, max=2 * size)  # photos keep their shape; measured ones are squared

model = dict(
    type="PixelSegmentor",
    trunk=dict(
        type="VitTaps",
        vit=dict(type="ClipTower", name=clip_name, weights=clip_file),
        blocks=(3, 6, 9),
        frozen=True,
        # ImageNet's statistics, not CLIP's: so the released weights were trained
        pixels=dict(type="PixelNorm", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    ),
    text=dict(
        type="ClipsegText",
        encoder=dict(type="OpenClipText", name=clip_name, weights=clip_file),
        templates="single",
        learnt=[
            "a photo of a {}.",
            "a photograph of a {}.",
            "an image of a {}.",
            "{}.",
            "a cropped photo of a {}.",
            "a good photo of a {}.",
            "a photo of one {}.",
            "a bad photo of a {}.",
            "a photo of the {}.",
        ],
    ),
    head=dict(type="ClipsegDecoder", taps=(768, 768, 768), dim=512, patch=16, width=64),
    criterion=dict(type="PixelBinaryCrossEntropy"),
    settings=dict(
        type="PixelSettings",
        names=dict(type="OnePixelName", negatives=0.2),
        prompts=dict(
            type="ClipsegPrompts", view=dict(type="ClipsegView", size=size), low=0.0, high=0.5
        ),
        answers=dict(type="PixelAnswers", sigmoid=True),
    ),
)
train = dict(
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            dict(type="ScaleJitter", low=1.0, high=2.0, size=size, pad=True),
        ]
    ),
    batch_size=8,
    iters=20_000,
    checkpoint_interval=2_000,
)
val = dict(dataset=dict(transforms=[dict(type="ResizeTo", height=size, width=size)]))
optim = dict(lr=1e-3, weight_decay=0.01, warmup=0)
reduced = {
    "model.trunk.vit": dict(
        type="ClipVit",
        shape=dict(type="ClipVitShape", patch=16, width=32, layers=4, heads=2, dim=512, grid=2),
    ),
    "model.trunk.blocks": (0, 1, 2),
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8
    ),
    "model.head.taps": (32, 32, 32),
    "model.head.hidden": 64,
    "model.settings.prompts.view.size": 32,
}
