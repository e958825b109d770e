"""Segments instead of classes: ZegFormer's naming with Mask2Former's masks, on stickers-seg.

python tools/train.py configs/methods/zegformer/zegformer_panoptic_tiny_stickers.py  # 1 CPU x 8
"""

_base_ = [
    "../../base/models/mask_tiny.py",
    "../../base/datasets/stickers_seg_panoptic.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

sizes = dict(heads=4, hidden=256)
model = dict(
    task="panoptic",
    proposals=dict(
        pixels=dict(
            _delete_=True,
            type="DeformablePixels",
            widths=(64, 128, 256),
            width={{_base_.width}},
            levels=2,
            layers=1,
            **sizes,
        ),
        decoder=dict(
            _delete_=True,
            type="MaskedMaskDecoder",
            inputs={{_base_.width}},
            width={{_base_.width}},
            count=25,
            levels=2,
            layers={{_base_.layers}},
            **sizes,
        ),
    ),
    criterion=dict(
        terms=dict(type="MaskTerms", classes=2.0, pixels=5.0, dice=5.0),
        alpha=None,  # with gamma 0 the cross entropy
        gamma=0.0,
        points=1_024,  # of 1,600 cells; the paper draws 12,544 of 65,536
    ),
    settings=dict(
        type="MaskSettings",
        # Of `things` and `stuff` a vocabulary knows nothing: what is not named here is countable.
        stuff=["brick", "desert", "grass", "road", "sky", "snow", "water", "wood"],
        object_score=0.5,
    ),
)
train = dict(iters=700)
optim = dict(precision="bfloat16", rates={"trunk": 0.1})
