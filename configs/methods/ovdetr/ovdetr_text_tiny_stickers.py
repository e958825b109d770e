"""The baseline beside OV-DETR: the same detector, closed matching, text as a fixed classifier.

python tools/train.py configs/methods/ovdetr/ovdetr_text_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/models/query_tiny.py",
    "../../base/datasets/stickers_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

train = dict(iters=1500)  # 10 passes over 1,200 pictures
optim = dict(precision="bfloat16")
val = dict(metrics=[dict(type="CocoMetric", kinds=["bbox"])])
