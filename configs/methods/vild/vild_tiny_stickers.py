"""ViLD, one head for both objectives, on stickers-ov. `tools/prove.py vild` runs it.

python tools/train.py configs/methods/vild/vild_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["vild_text_tiny_stickers.py"]

teacher = dict(
    type="CropTeacher",
    encoder=dict(
        type="Pretrained",
        module={{_base_.image_tower}},
        file="tiny-clip.safetensors",
        prefix="image.",
    ),
    crop_size=64,
)
# Paper: 0.5 at D = 512. The L1 distance of unit vectors grows with sqrt(D), and D is 128 here:
# 0.5 * sqrt(512 / 128) = 1.0. Paper: 300 regions; 24 of the best 60 here, for 128 px pictures.
distillation = dict(type="VildDistillation", teacher=teacher, branch=0, count=24, weight=1.0)
model = dict(settings=dict(objectives=[distillation]))
