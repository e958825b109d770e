"""Deformable DETR of mmdet, opened to any names, on stickers-ov.

python tools/train.py configs/mmdet/deformable_detr_text_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../base/models/mmdet_tiny.py",
    "../base/datasets/stickers_ov.py",
    "../base/schedules/adamw_cosine.py",
    "../base/runtime.py",
]

train = dict(iters=1500)  # 10 passes over 1,200 pictures
val = dict(metrics=[dict(type="CocoMetric", kinds=["bbox"])])

optim = dict(lr=5e-4)
width = 128
attention = dict(embed_dims=width)
forward = dict(embed_dims=width, feedforward_channels=256)
model = dict(
    config="mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py",
    options=dict(
        model=dict(
            num_queries=60,
            neck=dict(in_channels={{_base_.levels}}, out_channels=width),
            encoder=dict(num_layers=2, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=forward)),
            decoder=dict(
                num_layers=3,
                layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=forward),
            ),
            positional_encoding=dict(num_feats=width // 2),
            bbox_head=dict(embed_dims=width),
        )
    ),
)
