"""The baseline beside ZegFormer: the same trunk and pixel decoder, each pixel named by itself.

python tools/train.py configs/methods/zegformer/zegformer_pixels_tiny_stickers.py  # 1 CPU x 8
"""

_base_ = ["zegformer_tiny_stickers.py"]

model = dict(
    _delete_=True,
    type="PixelSegmentor",
    trunk=dict(type="PixelTrunk", trunk={{_base_.model.trunk}}, pixels={{_base_.pixels}}),
    text={{_base_.model.text}},
    head=dict(
        type="CosinePixelHead", scale={{_base_.scale}}, project=({{_base_.width}}, {{_base_.dim}})
    ),
    criterion=dict(type="PixelCrossEntropy"),
)
optim = dict(rates={"trunk.trunk": 0.1, "trunk": 1.0})
