"""Small random models of transformers that draw or propose masks, written as its own folders."""

import torch
from transformers_folders import SWIN, TEXT, clip_tokenizer, enliven

SIDE = 64  # px, of the pictures that what draws masks sees
DECODER = {
    "hidden_size": 16,
    "mlp_dim": 32,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 16,
}
HIERA = {
    "hidden_size": 8,
    "image_size": [SIDE, SIDE],
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [8, 16, 32, 64],
    "num_attention_heads_per_stage": [1, 1, 2, 2],
    "window_size_per_stage": [4, 4, 4, 4],
    "global_attention_blocks": [3],
    "window_positional_embedding_background_size": [4, 4],
}
MEMORY = {
    "image_size": SIDE,
    "memory_attention_hidden_size": 16,
    "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 32,
    "memory_attention_rope_feat_sizes": [4, 4],
    "memory_encoder_hidden_size": 16,
    "memory_encoder_output_channels": 8,
    "mask_downsampler_embed_dim": 16,
    "memory_fuser_num_layers": 1,
    "memory_fuser_embed_dim": 16,
    "memory_fuser_intermediate_dim": 32,
}
SIZES = [[16, 16], [8, 8], [4, 4]]
NAMES = {
    "maskformer": "MaskFormerForInstanceSegmentation",
    "mask2former": "Mask2FormerForUniversalSegmentation",
    "oneformer": "OneFormerForUniversalSegmentation",
}


def prompts(patch):
    """Return the options of a prompt encoder."""
    return {"hidden_size": 16, "image_size": SIDE, "patch_size": patch, "mask_input_channels": 4}


def drawer(model):
    """Return a model whose logits are of both signs and about 1, as a trained one's."""
    enliven(model)
    with torch.no_grad():
        for parameter in model.mask_decoder.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def write_sam(folder):
    import transformers

    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 8,
        "window_size": 4,
        "global_attn_indexes": [1],
        "num_pos_feats": 8,
        "mlp_dim": 32,
        "initializer_range": 0.02,
    }
    config = transformers.SamConfig(
        vision_config=vision, prompt_encoder_config=prompts(8), mask_decoder_config=DECODER
    )
    torch.manual_seed(0)
    drawer(transformers.SamModel(config)).save_pretrained(folder)
    size, pad = {"longest_edge": SIDE}, {"height": SIDE, "width": SIDE}
    pictures = transformers.SamImageProcessor(size=size, pad_size=pad)
    transformers.SamProcessor(pictures).save_pretrained(folder)
    return folder


def hiera():
    import transformers

    return transformers.Sam2VisionConfig(
        backbone_config=transformers.Sam2HieraDetConfig(**HIERA),
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=SIZES,
        fpn_hidden_size=16,
    )


def write_sam2(folder):
    import transformers

    config = transformers.Sam2Config(
        vision_config=hiera(), prompt_encoder_config=prompts(16), mask_decoder_config=DECODER
    )
    torch.manual_seed(0)
    drawer(transformers.Sam2Model(config)).save_pretrained(folder)
    _sam2_pictures("Sam2ImageProcessor").save_pretrained(folder)
    return folder


def write_sam2_video(folder):
    """The released folders of SAM 2 are those of its model of videos."""
    import transformers

    config = transformers.Sam2VideoConfig(
        vision_config=hiera(),
        prompt_encoder_config=prompts(16),
        mask_decoder_config=DECODER,
        **MEMORY,
    )
    torch.manual_seed(0)
    drawer(transformers.Sam2VideoModel(config)).save_pretrained(folder)
    _sam2_pictures("Sam2ImageProcessor").save_pretrained(folder)
    return folder


def _sam3_vision():
    import transformers

    backbone = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [1],
        "pretrain_image_size": 32,
    }
    return transformers.Sam3VisionConfig(
        backbone_config=transformers.Sam3ViTConfig(**backbone),
        fpn_hidden_size=16,
        backbone_feature_sizes=SIZES,
    )


def write_sam3_tracker(folder):
    import transformers

    config = transformers.Sam3TrackerConfig(
        vision_config=_sam3_vision(),
        prompt_encoder_config=prompts(16),
        mask_decoder_config=DECODER,
    )
    torch.manual_seed(0)
    drawer(transformers.Sam3TrackerModel(config)).save_pretrained(folder)
    _sam2_pictures("Sam3ImageProcessor").save_pretrained(folder)
    return folder


def write_sam3_video(folder):
    """The released folder of SAM 3: what finds and what tracks, side by side."""
    import transformers
    from safetensors.torch import save_file

    tracker = transformers.Sam3TrackerVideoConfig(
        vision_config=_sam3_vision(),
        prompt_encoder_config=prompts(16),
        mask_decoder_config=DECODER,
        **MEMORY,
    )
    layer = {
        "hidden_size": 16,
        "num_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    detector = transformers.Sam3Config(
        vision_config=_sam3_vision(),
        text_config=TEXT | {"vocab_size": 100, "projection_dim": 16},
        geometry_encoder_config=dict(layer),
        detr_encoder_config=dict(layer),
        detr_decoder_config=layer | {"num_queries": 5},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )
    config = transformers.Sam3VideoConfig(detector_config=detector, tracker_config=tracker)
    torch.manual_seed(0)
    model = transformers.Sam3VideoModel(config)
    drawer(model.tracker_model)
    config.save_pretrained(folder)
    # Some versions of transformers write other names than those of the released file.
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _sam2_pictures("Sam3ImageProcessor").save_pretrained(folder)
    return folder


def _sam2_pictures(kind):
    import transformers

    size = {"height": SIDE, "width": SIDE}
    return getattr(transformers, kind)(size=size, mask_size={"height": 16, "width": 16})


DRAWERS = {
    "sam": write_sam,
    "sam2": write_sam2,
    "sam2_video": write_sam2_video,
    "sam3_tracker": write_sam3_tracker,
    "sam3_video": write_sam3_video,
}


def write_proposer(kind, folder):
    import transformers

    swin = SWIN | {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
    config = _proposer_config(kind, transformers.SwinConfig(**swin))
    torch.manual_seed(0)
    enliven(getattr(transformers, NAMES[kind])(config)).save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 160}
    if kind == "oneformer":
        clip_tokenizer().save_pretrained(folder)
        pictures = transformers.OneFormerImageProcessor(size=size, class_info_file=None)
        pictures.save_pretrained(folder)
        return folder
    name = {"maskformer": "MaskFormer", "mask2former": "Mask2Former"}[kind]
    getattr(transformers, f"{name}ImageProcessor")(size=size).save_pretrained(folder)
    return folder


def _proposer_config(kind, backbone):
    import transformers

    if kind == "maskformer":
        decoder = {
            "d_model": 32,
            "num_queries": 9,
            "decoder_layers": 2,
            "encoder_layers": 1,
            "decoder_attention_heads": 4,
            "encoder_attention_heads": 4,
            "decoder_ffn_dim": 48,
            "encoder_ffn_dim": 48,
        }
        return transformers.MaskFormerConfig(
            backbone_config=backbone,
            decoder_config=transformers.DetrConfig(**decoder),
            fpn_feature_size=32,
            mask_feature_size=32,
            num_labels=5,
        )
    shared = {
        "backbone_config": backbone,
        "hidden_dim": 32,
        "encoder_feedforward_dim": 48,
        "dim_feedforward": 48,
        "encoder_layers": 1,
        "decoder_layers": 3,
        "num_attention_heads": 4,
        "num_queries": 9,
        "num_labels": 5,
    }
    if kind == "mask2former":
        return transformers.Mask2FormerConfig(feature_size=32, mask_feature_size=32, **shared)
    return transformers.OneFormerConfig(
        conv_dim=32, mask_dim=32, text_encoder_width=32, dropout=0.0, task_seq_len=30, **shared
    )
