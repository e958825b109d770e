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
        # Paper: 15 for 2 pictures. 8 pictures here have about 20 classes; 12 blocks of 30 queries
        # of each are what a CPU decodes in a tenth of a second.
        count=12,
        padded=9,
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
