"""AdamW, a short warm-up, then a cosine down to a hundredth; each config names its steps."""

optim = dict(type="AdamW", lr=1e-3, weight_decay=0.05, clip=5.0, warmup=100, schedule="cosine")
