"""LSeg with spatial regularisation: two bottleneck blocks, one kernel for all classes.

python tools/train.py configs/methods/lseg/lseg_smooth_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["lseg_tiny_stickers.py"]

smooth = dict(type="SmoothedPixelHead", head={{_base_.pixels}}, kind="bottleneck", depth=2)
model = dict(head=dict(_delete_=True, **smooth))
