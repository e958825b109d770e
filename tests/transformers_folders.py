"""Small random models of transformers, written as its own folders."""

import torch

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
}
VISION = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,  # no multiple of 32, as the larger released ones
    "patch_size": 14,
}
BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "vocab_size": 1200,
}
SWIN = {
    "embed_dim": 16,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "out_features": ["stage2", "stage3", "stage4"],
}
GROUNDING = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_queries": 12,
    "max_text_len": 24,
}
GROUNDING_NAMES = {"grounding-dino": "GroundingDino", "mm-grounding-dino": "MMGroundingDino"}
OWL_NAMES = {"owlvit": "OwlViT", "owlv2": "Owlv2"}


def enliven(model):
    """Add noise to all weights: their own spread is too small to tell layers apart."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.03)
    return model.eval()


def write_owl(kind, folder):
    import transformers

    name = OWL_NAMES[kind]
    config = getattr(transformers, f"{name}Config")(
        text_config=TEXT, vision_config=VISION, projection_dim=32
    )
    torch.manual_seed(0)
    model = enliven(getattr(transformers, f"{name}ForObjectDetection")(config))
    with torch.no_grad():  # boxes that differ and scores that are not all 0 or 1
        for part in (model.box_head.dense2, *list(model.class_head.children())[1:3]):
            part.weight.mul_(0.05)
    model.save_pretrained(folder)
    size = {"height": VISION["image_size"], "width": VISION["image_size"]}
    getattr(transformers, f"{name}ImageProcessor")(size=size).save_pretrained(folder)
    return folder


def word_pieces():
    """A vocabulary with BERT's ids of the markers and the two stops; letters, and a few words."""
    fixed = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
    fixed |= {".": 1012, "?": 1029}
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = [*letters, *(f"##{c}" for c in letters), "cat", "kite", "red", "car", "##s"]
    free = (i for i in range(200, 1000))
    own = fixed | {piece: next(free) for piece in dict.fromkeys(pieces) if piece not in fixed}
    taken = set(own.values())
    return own | {f"[unused{i}]": i for i in range(BERT["vocab_size"]) if i not in taken}


def write_grounding(kind, folder):
    import transformers

    name = GROUNDING_NAMES[kind]
    config = getattr(transformers, f"{name}Config")(
        backbone_config=transformers.SwinConfig(**SWIN),
        text_config=transformers.BertConfig(**BERT),
        **GROUNDING,
    )
    torch.manual_seed(0)
    enliven(getattr(transformers, f"{name}ForObjectDetection")(config)).save_pretrained(folder)
    size = {"shortest_edge": 96, "longest_edge": 160}
    transformers.GroundingDinoImageProcessor(size=size).save_pretrained(folder)
    transformers.BertTokenizer(vocab=word_pieces()).save_pretrained(folder)
    return folder


def clip_tokenizer():
    """Return a tokenizer of CLIP's kind: letters, and a few pairs of them."""
    import transformers

    letters = "abcdefghijklmnopqrstuvwxyz0123456789,.!"
    merges = [("c", "a"), ("ca", "t</w>"), ("r", "e"), ("re", "d</w>"), ("k", "i")]
    pieces = [*letters, *(f"{c}</w>" for c in letters), *("".join(pair) for pair in merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: row for row, piece in enumerate(pieces)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=merges)


def write_omdet(folder):
    import transformers

    tokenizer = clip_tokenizer()
    words = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "max_position_embeddings": 77,
    }
    config = transformers.OmDetTurboConfig(
        text_config=transformers.CLIPTextConfig(**TEXT | words),
        backbone_config=transformers.SwinConfig(**SWIN),
        apply_layernorm_after_vision_backbone=False,
        image_size=96,
        text_projection_in_dim=32,
        text_projection_out_dim=32,
        class_embed_dim=32,
        task_encoder_hidden_dim=40,
        num_queries=12,
        encoder_hidden_dim=16,
        vision_features_channels=[16, 16, 16],
        encoder_in_channels=[32, 64, 128],
        encoder_attention_heads=4,
        encoder_dim_feedforward=24,
        decoder_hidden_dim=16,
        decoder_num_heads=4,
        decoder_num_layers=2,
        decoder_dim_feedforward=24,
    )
    torch.manual_seed(0)
    enliven(transformers.OmDetTurboForObjectDetection(config)).save_pretrained(folder)
    pictures = transformers.DetrImageProcessor(size={"height": 96, "width": 96}, do_pad=False)
    transformers.OmDetTurboProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


def write_groupvit(folder):
    import transformers

    vision = {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "depths": [1, 1, 1],
        "num_group_tokens": [12, 6, 0],
        "num_output_groups": [12, 6, 6],
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": 8,
    }
    config = transformers.GroupViTConfig(
        text_config=TEXT, vision_config=vision, projection_dim=20, projection_intermediate_dim=40
    )
    torch.manual_seed(0)
    model = transformers.GroupViTModel(config)
    for tower in (model.visual_projection, model.text_projection):
        for part in tower:  # statistics of a batch that has been seen
            if isinstance(part, torch.nn.BatchNorm1d):
                part.running_mean.normal_(std=0.1)
                part.running_var.uniform_(0.5, 2.0)
    enliven(model).save_pretrained(folder)
    size, crop = {"shortest_edge": 64}, {"height": 64, "width": 64}
    transformers.CLIPImageProcessor(size=size, crop_size=crop).save_pretrained(folder)
    return folder
