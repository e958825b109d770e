"""DetPro's first stage on stickers-ov: five contexts learn from prepared proposals.

python tools/train.py configs/methods/detpro/detpro_prompts_tiny_stickers.py  # 1 CPU x 32 images

`tools/prove.py detpro` writes the prepared files and runs it.
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
# Paper: 100, CLIP's own scale, whose cosines of 866 names lie close together. tiny-clip's are far
# apart. Chosen on seed 0 without background among 5, 8, 10, 20 and 28: with 5 the scores tell
# objects from background best (AUROC 0.849, 0.815 with 28), and novel top-1 is the same (0.92).
scale = 5.0
model = dict(
    text=dict(length=8, count=5),  # paper: 8 vectors, one context a band
    classifier=dict(scale=scale),
    objectives=[dict(type="DetproPrompts", classes=65, scale=scale)],
)
# Paper: SGD, 6 passes over millions of boxes, 512 a step and band. 32 pictures hold about 1,900
# proposals; 300 steps are 8 passes over 1,200 pictures, and AdamW gets along with so few. The rate
# was chosen on seed 0 without background: 0.002 ends where 0.01 does.
train = dict(dataset=dict(transforms=[load]), batch_size=32, iters=300)
val = dict(dataset=dict(transforms=[load_val]), metrics=[dict(type="RegionNaming")])
optim = dict(lr=1e-2, weight_decay=0.0, warmup=20)
