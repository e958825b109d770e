"""ProxyCLIP with tiny-clip's ViT on stickers-seg: its convolutional sister says what is alike.

python tools/test.py configs/methods/trainingfree/trainingfree_proxy_tiny_stickers.py

There is no self-supervised encoder of stickers; tiny-clip's other trunk, stride 8, stands in.
"""

_base_ = [
    "../../base/models/pixel_vit_tiny.py",
    "../../base/datasets/stickers_seg.py",
    "../../base/runtime.py",
]

proxy = dict(
    type="Pretrained",
    module=dict(type="SmallTrunk", widths=(32, 64, 128, 256)),
    file="tiny-clip.safetensors",
    prefix="image.trunk.",
)
model = dict(
    trunk=dict(_delete_=True, type="ProxyTower", tower={{_base_.image_tower}}, proxy=proxy, level=1)
)
train = None
