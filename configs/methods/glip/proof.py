"""GLIP's smallest proof on stickers-phrases: with fusion, context tells which thing is meant.

Then the same weights are asked for the 65 plain names of stickers-ov, at once and in four chunks:
the difference is how much a score depends on the other names. Last, only offsets of these names'
tokens learn.

python tools/prove.py glip
"""

_names = {
    "track": "stickers-ov",
    "data_root": "data/stickers-ov",
    "val": dict(
        dataset=dict(
            _delete_=True,
            type="CocoDataset",
            ann_file="data/stickers-ov/annotations/val.json",
            image_dir="data/stickers-ov/val",
        ),
        metrics=[dict(type="CocoMetric", kinds=["bbox"])],
    ),
}
_four = {"model.detector.settings.chunk": 17}  # 17 + 17 + 17 + 14 = 65

_plain = "no fusion (baseline)"
_fused = "GLIP"
variants = [
    dict(name=_plain, config="glip_plain_tiny_stickers.py"),
    dict(name=_fused, config="glip_tiny_stickers.py"),
    dict(
        name="no fusion, 65 names at once",
        config="glip_plain_tiny_stickers.py",
        options=_names,
        weights_of=_plain,
    ),
    dict(
        name="no fusion, 65 names in four chunks",
        config="glip_plain_tiny_stickers.py",
        options={**_names, **_four},
        weights_of=_plain,
    ),
    dict(
        name="GLIP, 65 names at once",
        config="glip_tiny_stickers.py",
        options=_names,
        weights_of=_fused,
    ),
    dict(
        name="GLIP, 65 names in four chunks",
        config="glip_tiny_stickers.py",
        options={**_names, **_four},
        weights_of=_fused,
    ),
    dict(
        name="GLIP, prompts tuned for the 65 names",
        config="glip_prompts_tiny_stickers.py",
        options={"model.detector.file": "{run:GLIP}/weights.safetensors"},
    ),
]
figures = {
    "recall@1": "phrases/any/recall@1",
    **{
        kind: f"phrases/{kind}/any/recall@1"
        for kind in ("list", "colour", "size", "side", "relation")
    },
    "65 names AP50": "coco/bbox/all/AP50",
}
