"""mmdet's models, narrow: config and what to change in it, for the tests of the adapter."""

import torch

from ovdet.registry import build
from ovdet.structures import Regions, Sample, Vocabulary

DIM = 12
KNOWN = Vocabulary.of(["cat", "car", "dog"])
LEARNT = Vocabulary(("cat", "red car", "dog"), novel=(False, False, True))
ASKED = Vocabulary.of(["a small zebra", "kite", "lamp", "cat", "traffic light"])

_TRUNK = {
    "backbone.depth": 18,
    "backbone.base_channels": 8,
    "neck.in_channels": [8, 16, 32, 64],
    "neck.out_channels": 32,
}
_ROIS = {
    **_TRUNK,
    "rpn_head.in_channels": 32,
    "rpn_head.feat_channels": 16,
    "roi_head.bbox_roi_extractor.out_channels": 32,
    "train_cfg.rpn_proposal.nms_pre": 50,
    "test_cfg.rpn.nms_pre": 50,
    "test_cfg.rcnn.score_thr": 0.0,
}
_BOX = {"roi_head.bbox_head.in_channels": 32, "roi_head.bbox_head.fc_out_channels": 16}
_MASK = {
    "roi_head.mask_roi_extractor.out_channels": 32,
    "roi_head.mask_head.in_channels": 32,
    "roi_head.mask_head.conv_out_channels": 16,
}
_STAGES = {
    f"roi_head.bbox_head.{stage}.{key}": width
    for stage in range(3)
    for key, width in (("in_channels", 32), ("fc_out_channels", 16))
}
_ONE = {
    **_TRUNK,
    "bbox_head.in_channels": 32,
    "bbox_head.feat_channels": 32,
    "bbox_head.stacked_convs": 1,
    "test_cfg.score_thr": 0.0,
}


def _layers(place, width, attentions):
    names = [*attentions, "ffn_cfg.embed_dims", "ffn_cfg.feedforward_channels"]
    return {f"{place}.layer_cfg.{name}": width for name in names}


def _queries(width):
    both = ("self_attn_cfg.embed_dims", "cross_attn_cfg.embed_dims")
    return {
        **_TRUNK,
        "neck.in_channels": [16, 32, 64],
        "neck.out_channels": width,
        "neck.norm_cfg.num_groups": 4,
        "num_queries": 20,
        "encoder.num_layers": 1,
        "decoder.num_layers": 2,
        **_layers("encoder", width, both[:1]),
        **_layers("decoder", width, both),
        "positional_encoding.num_feats": width // 2,
        "bbox_head.embed_dims": width,
        "test_cfg.max_per_img": 20,
    }


def _masks(width=32):
    both = ("self_attn_cfg.embed_dims", "cross_attn_cfg.embed_dims")
    head = {
        "in_channels": [8, 16, 32, 64],
        "feat_channels": width,
        "out_channels": width,
        "num_queries": 40,
        "pixel_decoder.encoder.num_layers": 1,
        **_layers("pixel_decoder.encoder", width, both[:1]),
        "pixel_decoder.positional_encoding.num_feats": width // 2,
        "pixel_decoder.norm_cfg.num_groups": 4,
        "positional_encoding.num_feats": width // 2,
        "transformer_decoder.num_layers": 2,
        **_layers("transformer_decoder", width, both),
    }
    return {
        "backbone.depth": 18,
        "backbone.base_channels": 8,
        "data_preprocessor.batch_augments": None,
        **{f"panoptic_head.{key}": value for key, value in head.items()},
        "train_cfg.num_points": 64,
        "test_cfg.max_per_image": 20,
    }


TINY = {
    "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py": {**_ROIS, **_BOX},
    "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py": {**_ROIS, **_BOX, **_MASK},
    "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py": {**_ROIS, **_STAGES},
    "retinanet/retinanet_r50_fpn_1x_coco.py": _ONE,
    "atss/atss_r50_fpn_1x_coco.py": _ONE,
    "deformable_detr/deformable-detr_r50_16xb2-50e_coco.py": _queries(32),
    "dino/dino-4scale_r50_8xb2-12e_coco.py": _queries(256),  # its box encoding fixes the width
    "mask2former/mask2former_r50_8xb2-lsj-50e_coco.py": _masks(),
}
MODELS = list(TINY)
RETINA = "retinanet/retinanet_r50_fpn_1x_coco.py"
MASK = "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"


_SWIN = {
    "backbone.embed_dims": 16,
    "backbone.depths": [1, 1, 1, 1],
    "backbone.num_heads": [1, 1, 2, 2],
    "backbone.window_size": 4,
    "backbone.with_cp": False,
    "backbone.init_cfg": None,
    "neck.in_channels": [32, 64, 128],
    "language_model.max_tokens": 32,
    "test_cfg.max_per_img": 20,
}
_FORWARD = "ffn_cfg.feedforward_channels"
_GROUNDING = {
    **_SWIN,
    "bbox_head.contrastive_cfg.max_text_len": 32,
    "num_queries": 20,
    "encoder.num_layers": 1,
    "encoder.num_cp": 0,
    "decoder.num_layers": 2,
    f"encoder.layer_cfg.{_FORWARD}": 32,
    f"encoder.text_layer_cfg.{_FORWARD}": 32,
    "encoder.fusion_layer_cfg.embed_dim": 64,
    f"decoder.layer_cfg.{_FORWARD}": 32,
}
GROUNDING = {
    "mm_grounding_dino/grounding_dino_swin-t_pretrain_obj365.py": _GROUNDING,
    "grounding_dino/grounding_dino_swin-t_finetune_16xb2_1x_coco.py": _GROUNDING,
    "glip/glip_atss_swin-t_a_fpn_dyhead_16xb2_ms-2x_funtune_coco.py": {
        **_SWIN,
        "neck.out_channels": 32,
        "bbox_head.in_channels": 32,
        "bbox_head.feat_channels": 32,
        "bbox_head.num_dyhead_blocks": 1,
        "test_cfg.score_thr": 0.0,
    },
}
TINY |= GROUNDING


def write_bert(folder):
    """Write a BERT of two layers with random weights, as transformers' folders are."""
    import transformers
    from transformers_folders import BERT, word_pieces

    transformers.BertTokenizer(vocab=word_pieces()).save_pretrained(folder)
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(**BERT)).save_pretrained(folder)
    return folder


def grounding(name, bert, **more):
    """Return a narrow detector that reads names with the BERT of a folder."""
    own = options(name) | {"model.language_model.name": str(bert)}
    if "glip" in name:
        own["model.bbox_head.lang_model_name"] = str(bert)
    return make(name, options=own | more.pop("options", {}), **more)


def options(name):
    return {f"model.{key}": value for key, value in TINY[name].items()}


def make(name, *, opened=False, **more):
    """Return a narrow detector, built as a config of ours is."""
    torch.manual_seed(0)
    tower = {
        "type": "TinyTextTransformer",
        "dim": DIM,
        "width": 16,
        "layers": 1,
        "embed_width": 8,
    }
    text = {"type": "TextClasses", "encoder": tower}
    config = {"type": "MmdetDetector", "config": f"mmdet::{name}", "options": options(name)}
    if opened:
        config["opening"] = {"type": "MmdetText", "text": text, "dim": DIM, "scale": 5.0}
    return build(config | more, "model")


def sample(index, labels=(0, 1)):
    """Return a picture of 64 px, stored at 128 x 96, with two objects and their masks."""
    generator = torch.Generator().manual_seed(index)
    boxes = torch.tensor([[4.0, 6, 30, 28], [34, 30, 60, 62]])
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    return Sample(
        torch.rand(3, 64, 64, generator=generator),
        image_id=index + 1,
        original_size=(128, 96),
        scale=(64 / 96, 64 / 128),
        truth=Regions(boxes, torch.zeros(2, dtype=torch.int64), None, torch.tensor(labels), masks),
    )
