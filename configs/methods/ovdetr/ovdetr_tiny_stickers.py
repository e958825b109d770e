"""OV-DETR on stickers-ov: conditions, binary matching, boxes of novel objects where prepared.

python tools/train.py configs/methods/ovdetr/ovdetr_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["ovdetr_text_tiny_stickers.py"]

model = dict(
    classifier=dict(
        _delete_=True,
        type="ConditionClassifier",
        width={{_base_.width}},
        layers={{_base_.layers}},
    ),
    conditions=dict(
        type="OvdetrConditions",
        width={{_base_.width}},
        dim={{_base_.dim}},
        # Paper: at least 12 for the 2 pictures of a device, at most 15. A picture here has 1 to 6
        # classes; 8 pictures together would have about 20 and need as many blocks in each.
        own=True,
        count=7,
        padded=5,
        words=0.75,
    ),
    settings=dict(
        objectives=[
            dict(
                type="OvdetrReconstruction",
                width={{_base_.width}},
                dim={{_base_.dim}},
                layers={{_base_.layers}},
            )
        ]
    ),
)
