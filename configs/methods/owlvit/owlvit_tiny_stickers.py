"""OWL-ViT, a tiny plain ViT, on stickers-ov: fine-tuned from contrastive towers on base boxes.

python tools/train.py configs/methods/owlvit/owlvit_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/models/vit_tiny.py",
    "../../base/datasets/stickers_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

vit = dict(
    type="Pretrained",
    module={{_base_.vit}},
    file="tiny-clip-vit.safetensors",
    prefix="image.tower.",
)
text_tower = dict(
    type="Pretrained",
    module={{_base_.text_tower}},
    file="tiny-clip.safetensors",
    prefix="text.",
)
model = dict(
    type="DenseDetector",
    trunk=dict(type="OwlvitTrunk", vit=vit, size=128),
    # tiny-clip's captions have few forms: one template is all it knows
    text=dict(type="TunedTextClasses", encoder=text_tower, templates="single", bare=True),
    head=dict(type="OwlvitHead", width=192, dim=128, stride=8),
    criterion=dict(type="OwlvitCriterion"),
    settings=dict(
        type="DenseSettings",
        selection=dict(type="Selection", nms=None, top=100),
    ),
)
train = dict(iters=1600)  # after 800 the random towers of the proof's baseline found nothing
val = dict(metrics=[dict(type="CocoMetric", kinds=("bbox",))])
optim = dict(
    lr=5e-4,  # paper: 5e-5 at 768 wide and 140,000 steps
    weight_decay=0.0,
    clip=1.0,
    precision="bfloat16",
    rates=dict(text=0.04),  # paper: 2e-6 beside 5e-5
)
