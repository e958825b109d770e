"""FILIP-B (ViT-B/32) on YFCC15M. Published: 39.5 zero-shot on ImageNet (others' training).

python tools/train.py configs/methods/filip/filip_vitb32_yfcc15m.py  # 64 devices x 128 pictures
"""

_base_ = ["../../base/datasets/yfcc15m.py", "../../base/runtime.py"]

dim = 256  # width of a token that is compared
image_tower = dict(
    type="PlaceEncoder",  # 7 x 7 places of 32 px at 224 px
    trunk=dict(
        type="ClipVit",
        shape=dict(
            type="ClipVitShape",
            patch=32,
            width=768,
            layers=12,
            heads=12,
            dim=dim,
            grid=7,
            quick=False,
        ),
    ),
)
text_tower = dict(
    type="TransformersText",
    config=dict(
        hidden_size=512,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=8,
        projection_dim=dim,
        max_position_embeddings=77,
    ),
)
model = dict(
    type="DualEncoder",
    image=image_tower,
    text=text_tower,
    objective=dict(type="FilipLoss", selection=dict(type="FilipTokenSelection", share=0.25)),
)

batch = 8192  # 64 devices x 128
train = dict(
    iters=54_932,  # 30 epochs of 15,000,000 pictures / 8,192
    checkpoint_interval=1000,
    log_interval=50,
    val_interval=5000,
)
optim = dict(
    type="LAMB",
    lr=6e-3 * (batch / 512) ** 0.5,  # the recipe's rule: base rate 6e-3 x sqrt(batch / 512)
    betas=(0.9, 0.999),
    eps=1e-4,
    weight_decay=3e-2,
    warmup=3000,
    schedule="cosine",
)

reduced = {
    "model.image.trunk.shape.layers": 2,
    "model.image.trunk.shape.width": 48,
    "model.text.config.num_hidden_layers": 1,
    "model.text.config.hidden_size": 64,
    "model.text.config.intermediate_size": 64,
}
