"""Detic with image labels and captions, R50-FPN, OV-COCO. Published with R50-C4: novel AP50 27.8.

python tools/train.py configs/methods/detic/detic_captions_r50-fpn_coco-ov.py  # 8 devices x 2 or 8
"""

_base_ = ["detic_r50-fpn_coco-ov.py"]

captions = dict(
    type="Source",
    name="captions",
    dataset=dict(
        type="CaptionFileDataset",
        ann_file="data/coco-captions/train.json",
        image_dir="data/coco/train2017",
        transforms=[dict(type="RandomFlip"), dict(type="Resize", short=400, longest=667)],
    ),
    batch_size=8,
    share=4,
    boxed=False,
)
# A step is one source's: 9 / 5 of the steps, so that boxes and labels keep theirs.
train = dict(iters=162_000, dataset=dict(sources=[{{_base_.boxes}}, {{_base_.labels}}, captions]))
optim = dict(milestones=(108_000, 144_000))
model = dict(
    settings=dict(
        objectives=[
            {{_base_.image_labels}},
            dict(type="DeticCaptions", encoder={{_base_.text_tower}}, scale=50.0, weight=0.1),
        ]
    )
)
reduced = {
    "model.settings.objectives.1.encoder": dict(
        type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8
    )
}
