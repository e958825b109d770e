"""Faster R-CNN of mmdet with ViLD's objective, on stickers-ov.

python tools/train.py configs/mmdet/faster_rcnn_vild_stickers.py  # 1 CPU x 8 images

Beside ``faster_rcnn_text_stickers.py``, which is the same without the objective. Seen with seed 0
(22 minutes): box AP50 novel 58.4, base 80.7, all 74.8.
"""

_base_ = ["faster_rcnn_text_stickers.py"]

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
# As configs/methods/vild/vild_tiny_stickers.py: a weight of 0.5 * sqrt(512 / 128), 24 regions.
model = dict(
    objectives=[dict(type="VildDistillation", teacher=teacher, branch=0, count=24, weight=1.0)]
)
