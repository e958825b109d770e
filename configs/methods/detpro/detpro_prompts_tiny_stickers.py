"""DetPro's first stage on stickers-ov: five contexts learn from prepared proposals.

python tools/train.py configs/methods/detpro/detpro_prompts_tiny_stickers.py  # 1 CPU x 32 images

`tools/prove.py detpro` writes the prepared files and runs both stages.
"""

_base_ = [
    "../../base/models/regions_tiny.py",
    "../../base/datasets/stickers_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

prepared = "work_dirs/prove/vild"
load = dict(type="LoadProposals", file=f"{prepared}/prepared_seed0.npz")
load_val = dict(type="LoadProposals", file=f"{prepared}/prepared_val_seed0.npz")
model = dict(
    text=dict(length=8, count=5),  # paper: 8 vectors, one context a band
    objectives=[dict(type="DetproPrompts", classes=65, scale=100.0)],  # paper: temperature 0.01
)
# Paper: SGD, 6 passes over millions of boxes, 512 a step and band. 32 pictures hold about 1,900
# proposals; 300 steps are 8 passes over 1,200 pictures, and AdamW gets along with so few.
train = dict(dataset=dict(transforms=[load]), batch_size=32, iters=300)
val = dict(dataset=dict(transforms=[load_val]), metrics=[dict(type="RegionNaming")])
optim = dict(lr=2e-3, weight_decay=0.0, warmup=20)
