"""SGD for 90,000 steps of 16 images, the rate falling twice: 12 passes over COCO.

Warm-up and rate are for 16 images a step: another batch takes lr = 0.02 * images / 16.
"""

iters = 90_000  # for `train`, by {{_base_.iters}}
optim = dict(
    type="SGD",
    lr=0.02,
    momentum=0.9,
    weight_decay=1e-4,
    warmup=1_000,
    schedule="steps",
    milestones=(60_000, 80_000),
)
