"""LSeg, DPT over CLIP's ViT-B/32, ADE20K. A user measured mIoU 32.1 with ViT-L/16.

python tools/train.py configs/methods/lseg/lseg_b32_ade20k.py  # 8 devices x 2 images

The paper's ViT-B/32 starts from ImageNet at 384 px; here CLIP's own tower does. CLIP's weights:
OpenAI's archive, by path or by its name in the model zoo.
"""

_base_ = [
    "../../base/datasets/ade20k_150.py",
    "../../base/runtime.py",
]

clip_name = "ViT-B-32-quickgelu"
clip_file = "ViT-B-32.pt"
crop = 480  # px; 15 x 15 patches

model = dict(
    type="PixelSegmentor",
    trunk=dict(
        type="DptTrunk",
        trunk=dict(
            type="Reassemble",
            trunk=dict(
                type="VitTaps",
                vit=dict(type="ClipTower", name=clip_name, weights=clip_file),
                blocks=(2, 5, 8, 11),
            ),
            widths=(96, 192, 384, 768),
            factors=(8, 4, 2, 1),  # strides 4, 8, 16 and 32
        ),
        width=256,
    ),
    text=dict(
        type="TextClasses",
        encoder=dict(type="OpenClipText", name=clip_name, weights=clip_file),
        templates="none",
    ),
    head=dict(type="CosinePixelHead", scale=1 / 0.07, project=(256, 512)),
    criterion=dict(type="PixelCrossEntropy"),
    settings=dict(
        type="PixelSettings",
        views=dict(
            type="PixelViews",
            window=crop,
            step=crop * 2 // 3,
            scales=(1.0, 0.5, 0.75, 1.25, 1.5, 1.75),
            flip=True,
        ),
    ),
)
train = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir="data/ade20k/labels_150/training",
        image_dir="data/ade/ADEChallengeData2016/images/training",
        vocabulary="@ade20k-150",
        transforms=[
            dict(type="RandomFlip"),
            dict(type="ScaleJitter", low=0.5, high=2.0, size=crop),
        ],
    ),
    batch_size=2,
    num_workers=4,
    iters=303_000,  # 240 passes over 20,210 images, 16 a step
    checkpoint_interval=10_000,
)
val = dict(dataset=dict(transforms=[dict(type="Resize", short=520, longest=520)]))
optim = dict(
    type="SGD",
    lr=0.04,  # 0.004 / 16 x 16 images, ten times that for the decoder
    momentum=0.9,
    weight_decay=1e-4,
    schedule="cosine",  # paper: polynomial, power 0.9
    rates={"trunk.trunk.trunk": 0.1},
)
reduced = {
    "model.trunk.trunk.trunk.vit": dict(
        type="ClipVit",
        shape=dict(type="ClipVitShape", patch=32, width=32, layers=4, heads=2, dim=512, grid=2),
    ),
    "model.trunk.trunk.trunk.blocks": (0, 1, 2, 3),
    "model.trunk.trunk.widths": (8, 8, 16, 16),
    "model.trunk.width": 16,
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8
    ),
    "model.head.project": (16, 512),
}
