"""CLIPSeg on stickers-seg: a frozen tiny ViT, asked by blends of names and pictures.

python tools/train.py configs/methods/clipseg/clipseg_tiny_stickers.py  # 1 CPU x 16 images
"""

_base_ = [
    "../../base/models/vit_tiny.py",
    "../../base/datasets/stickers_seg.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

length = 10.0  # of names and pictures: tiny-clip's two towers do not agree on one, CLIP's nearly do
view = dict(type="ClipsegView", size=64, blur=7)  # px: what the tower was trained at
vit = dict(
    type="Pretrained",
    module={{_base_.vit}},
    file="tiny-clip-vit.safetensors",
    prefix="image.tower.",
)
frozen_text = dict(
    type="Pretrained",
    module={{_base_.text_tower}},
    file="tiny-clip.safetensors",
    prefix="text.",
)
model = dict(
    type="PixelSegmentor",
    # blocks 3, 6 and 9 of 12 in the paper
    trunk=dict(type="VitTaps", vit=vit, blocks=(0, 1, 2), frozen=True),
    # tiny-clip's captions have few forms: one template is all it knows
    text=dict(
        type="ClipsegText",
        encoder=frozen_text,
        templates="single",
        learnt="single",
        length=length,
    ),
    head=dict(
        type="ClipsegDecoder",
        taps=(192, 192, 192),
        dim={{_base_.dim}},
        patch=8,
        width=64,
        hidden=256,  # paper: 2048
        dropout=0.0,
    ),
    criterion=dict(type="PixelBinaryCrossEntropy"),
    settings=dict(
        type="PixelSettings",
        names=dict(type="OnePixelName", negatives=0.2),
        prompts=dict(type="ClipsegPrompts", view=view, low=0.0, high=0.5, length=length),
        answers=dict(type="PixelAnswers", sigmoid=True),
    ),
)
# Crops are quick, as the decoder looks at all places at once; many questions are what it needs.
cut = dict(type="ScaleJitter", low=1.5, high=2.2, size=96, pad=True)  # px; pictures have 160
train = dict(
    dataset=dict(transforms=[dict(type="RandomFlip"), dict(type="ColorJitter"), cut]),
    batch_size=16,
    iters=1500,
)
optim = dict(lr=1e-3, weight_decay=0.01)  # as the paper, with 20,000 steps of 64
