"""How ovdet-tiny was made: model_zoo/ovdet-tiny.yml lists the steps before this one.

python tools/train.py configs/zoo/ovdet_tiny_train.py  # 1 CPU x 8 pictures
"""

_base_ = ["ovdet_tiny.py", "../base/schedules/adamw_cosine.py"]

made = "data/ovdet-tiny"
branch = dict(
    type="RegionBranch",
    embedder=dict(
        type="Pretrained",
        module=dict(type="MobileNetEmbedder", dim=192, size=12),
        file=f"{made}/embedder.safetensors",
    ),
    classifier=dict(type="CosineClassifier", dim=192, scale=20.0),
)
model = dict(
    trunk=dict(
        trunk=dict(
            _delete_=True,
            type="Pretrained",
            module=dict(type="MobileNetTrunk", frozen=3),
            file=f"{made}/trunk.safetensors",
        )
    ),
    text=dict(
        encoder=dict(
            _delete_=True,
            type="Pretrained",
            module={{_base_.tower}},
            file=f"{made}/text.safetensors",
        )
    ),
    branches=[branch],
)
train = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{made}/train.json",
        image_dir=f"{made}/images",
        transforms=[dict(type="RandomFlip"), dict(type="ColorJitter")],
    ),
    batch_size=8,
    num_workers=0,
    iters=1300,  # 2 passes
    checkpoint_interval=200,
)
optim = dict(lr=5e-4, weight_decay=0.02, warmup=50, clip=5.0, precision="bfloat16")
