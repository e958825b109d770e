"""The ablation of MaskCLIP+ on stickers-seg: the same student learns seen classes alone.

python tools/train.py configs/methods/maskclip/maskclip_seen_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["maskclip_plus_tiny_stickers.py"]

model = dict(settings=dict(names=None, labels=None))
train = dict(dataset=dict(label_dir="data/stickers-seg/annotations/labels_train_seen"))
