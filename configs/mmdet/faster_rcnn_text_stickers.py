"""Faster R-CNN of mmdet, opened to any names, on stickers-ov.

python tools/train.py configs/mmdet/faster_rcnn_text_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../base/models/mmdet_tiny.py",
    "../base/datasets/stickers_ov.py",
    "../base/schedules/adamw_cosine.py",
    "../base/runtime.py",
]

train = dict(iters=1500)  # 10 passes over 1,200 pictures
val = dict(metrics=[dict(type="CocoMetric", kinds=["bbox"])])

width = 64  # channels of the pyramid
hidden = 256  # of the box head
rpn = dict(
    in_channels=width,
    feat_channels=width,
    # Sides of 12, 24 and 48 px.
    anchor_generator=dict(scales=[3], strides=[4, 8, 16]),
)
pooled = dict(out_channels=width, featmap_strides=[4, 8, 16], finest_scale=24)
few = dict(nms_pre=500, max_per_img=100)
box_head = dict(in_channels=width, fc_out_channels=hidden)
model = dict(
    config="mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    options=dict(
        model=dict(
            neck=dict(in_channels={{_base_.levels}}, out_channels=width, num_outs=3),
            rpn_head=rpn,
            roi_head=dict(bbox_roi_extractor=pooled, bbox_head=box_head),
            train_cfg=dict(rpn_proposal=few, rcnn=dict(sampler=dict(num=32, pos_fraction=0.4))),
            test_cfg=dict(rpn=few, rcnn=dict(score_thr=1e-4)),
        )
    ),
)
