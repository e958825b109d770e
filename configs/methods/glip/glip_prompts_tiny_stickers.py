"""GLIP's prompt tuning: only offsets of the tokens of stickers-ov's 65 names learn.

python tools/train.py configs/methods/glip/glip_prompts_tiny_stickers.py  # 1 CPU x 8 images

The detector is one that was trained on stickers-phrases: `model.detector.file` names its weights.
"""

_base_ = [
    "../../base/models/grounding_tiny.py",
    "../../base/datasets/stickers_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

model = dict(
    type="GlipPromptTuning",
    detector=dict(
        type="Pretrained",
        module={{_base_.fused}},
        file="work_dirs/prove/glip/glip_seed0/weights.safetensors",
        prefix="detector.",
    ),
    names="data/stickers-ov/annotations/vocabulary.json",
)
train = dict(
    dataset=dict(ann_file="data/stickers-ov/annotations/train_all.json"),  # 65 names have boxes
    iters=200,
)
val = dict(metrics=[dict(type="CocoMetric", kinds=["bbox"])])
# Paper: rate 0.05, decay 0.25, for BERT's vectors, whose entries are about 0.5. A unit vector of
# D = 128 has entries of 0.09: 0.05 * 0.09 / 0.5 = 0.009.
optim = dict(lr=0.01, weight_decay=0.25, warmup=20, precision="bfloat16")
reduced = {"model.names": ["cat", "red car"]}
