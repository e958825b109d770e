"""Mask2Former of mmdet, opened to any names, on stickers-ov.

python tools/train.py configs/mmdet/mask2former_text_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../base/models/mmdet_tiny.py",
    "../base/datasets/stickers_ov.py",
    "../base/schedules/adamw_cosine.py",
    "../base/runtime.py",
]

train = dict(iters=1500)  # 10 passes over 1,200 pictures

optim = dict(lr=5e-4)
width = 64
attention = dict(embed_dims=width)
forward = dict(embed_dims=width, feedforward_channels=2 * width)
places = dict(num_feats=width // 2)
model = dict(
    config="mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py",
    options=dict(
        model=dict(
            data_preprocessor=dict(batch_augments=None),  # it pads to 1024 px
            panoptic_head=dict(
                in_channels={{_base_.levels}},
                strides=[4, 8, 16],
                feat_channels=width,
                out_channels=width,
                num_queries=40,
                num_transformer_feat_level=2,
                pixel_decoder=dict(
                    num_outs=2,
                    encoder=dict(
                        num_layers=1,
                        layer_cfg=dict(
                            self_attn_cfg=dict(num_levels=2, **attention), ffn_cfg=forward
                        ),
                    ),
                    positional_encoding=places,
                ),
                positional_encoding=places,
                transformer_decoder=dict(
                    num_layers=3,
                    layer_cfg=dict(
                        self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=forward
                    ),
                ),
            ),
            train_cfg=dict(num_points=1024),
        )
    ),
)
