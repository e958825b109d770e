"""MaskCLIP+ on stickers-seg, annotation-free: no label is read, the teacher names every pixel.

python tools/train.py configs/methods/maskclip/maskclip_free_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["maskclip_plus_tiny_stickers.py"]

model = dict(settings=dict(labels=dict(pixels="all", guided=None)))
