"""Mask R-CNN of mmdet, opened to any names, on stickers-ov.

python tools/train.py configs/mmdet/mask_rcnn_text_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["faster_rcnn_text_stickers.py"]

val = dict(metrics=[dict(type="CocoMetric", kinds=["bbox", "segm"])])

mask_head = dict(in_channels={{_base_.width}}, conv_out_channels={{_base_.width}}, num_convs=2)
mask_pooled = dict(out_channels={{_base_.width}}, featmap_strides=[4, 8, 16], finest_scale=24)
model = dict(
    config="mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    options=dict(model=dict(roi_head=dict(mask_roi_extractor=mask_pooled, mask_head=mask_head))),
)
