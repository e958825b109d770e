"""1,200 steps of AdamW: a tiny model on stickers, minutes on a CPU."""

train = dict(iters=1200, checkpoint_interval=200)
optim = dict(type="AdamW", lr=1e-3, weight_decay=0.05, clip=5.0, warmup=100, schedule="cosine")
