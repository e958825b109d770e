"""How ovdet-tiny was made: model_zoo/ovdet-tiny.yml lists the steps before this one.

python tools/train.py configs/zoo/ovdet_tiny_train.py  # 1 CPU x 8 pictures
"""

_base_ = [
    "../base/models/ovdet_tiny.py",
    "../base/datasets/stickers_ov_large.py",
    "../base/schedules/adamw_cosine.py",
    "../base/runtime.py",
]

made = "data/ovdet-tiny"
model = dict(
    trunk=dict(
        type="RawAndPyramid",
        trunk=dict(type="Pretrained", module={{_base_.blocks}}, file=f"{made}/trunk.safetensors"),
        width={{_base_.width}},
    ),
    text=dict(
        type="TextClasses",
        encoder=dict(type="Pretrained", module={{_base_.tower}}, file=f"{made}/text.safetensors"),
        templates="single",
    ),
    branches=[
        dict(
            type="RegionBranch",
            embedder=dict(
                type="Pretrained",
                module={{_base_.embedder}},
                file=f"{made}/embedder.safetensors",
            ),
            classifier={{_base_.classifier}},
        )
    ],
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
