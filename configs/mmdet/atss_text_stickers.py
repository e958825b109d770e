"""ATSS of mmdet, opened to any names, on stickers-ov.

python tools/train.py configs/mmdet/atss_text_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../base/models/mmdet_tiny.py",
    "../base/datasets/stickers_ov.py",
    "../base/schedules/adamw_cosine.py",
    "../base/runtime.py",
]

train = dict(iters=1500)  # 10 passes over 1,200 pictures
val = dict(metrics=[dict(type="CocoMetric", kinds=["bbox"])])

width = 64  # channels of the pyramid and the head
strides = [4, 8, 16, 32]
model = dict(
    config="mmdet::atss/atss_r50_fpn_1x_coco.py",
    options=dict(
        model=dict(
            neck=dict(in_channels={{_base_.levels}}, out_channels=width, start_level=0, num_outs=4),
            bbox_head=dict(
                in_channels=width,
                feat_channels=width,
                stacked_convs=2,
                anchor_generator=dict(octave_base_scale=4, strides=strides),  # 16 to 128 px
            ),
            test_cfg=dict(score_thr=1e-4),
        )
    ),
)
