"""AdamW for 90,000 steps, the rate on a cosine; each config names its rate and batch."""

iters = 90_000  # for `train`, by {{_base_.iters}}
optim = dict(type="AdamW", lr=2e-4, weight_decay=1e-4, clip=1.0, warmup=1_000, schedule="cosine")
