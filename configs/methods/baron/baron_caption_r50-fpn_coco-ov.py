"""BARON with COCO's captions, R50-FPN, OV-COCO. Published with R50-C4: box AP50 33.1 novel.

python tools/train.py configs/methods/baron/baron_caption_r50-fpn_coco-ov.py  # 8 devices x 2 + 2

python tools/convert.py coco-captions  # data/coco to data/coco-captions
"""

_base_ = ["baron_r50-fpn_coco-ov.py"]

_sizes = dict(type="RandomResize", shorts=(640, 672, 704, 736, 768, 800), longest=1333)
boxes = dict(
    type="CocoDataset",
    ann_file="data/coco-ov/train_base.json",
    image_dir="data/coco/train2017",
    vocabulary="@coco-ov",
    transforms=[dict(type="RandomFlip"), _sizes],
    filter_empty=True,
)
captions = dict(
    type="CaptionFileDataset",
    ann_file="data/coco-captions/train.json",
    image_dir="data/coco/train2017",
    transforms=[dict(type="RandomFlip"), _sizes],
)
model = dict(
    settings=dict(
        objectives=[
            dict(
                type="BaronCaptions",
                centres=dict(type="BaronCentres", objectness=0.85, area=0.01, nms=0.2, top=128),
                positions={{_base_.positions}},
                contrast=dict(type="GroupedInfoNce", dim=512, length=1024, scale=30.0),
                regions=10,
                orders=4,
                weight=10.0,
            )
        ],
    ),
)
train = dict(
    dataset=dict(
        _delete_=True,
        type="MultiSource",
        together=True,
        sources=[
            dict(type="Source", name="boxes", dataset=boxes, batch_size=2),
            dict(type="Source", name="captions", dataset=captions, batch_size=2, boxed=False),
        ],
    ),
)
optim = dict(lr=0.02, weight_decay=1e-4, clip=35.0)
tower = dict(type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8)
reduced = {
    "_delete_": True,
    "model.trunk.trunk.depth": 18,
    "model.trunk.trunk.norm": "frozen",  # sync needs a GPU
    "model.trunk.width": 16,
    "model.text.encoder": tower,
    "model.text.templates": "single",
    "model.proposals.width": 16,
    "model.proposals.train_top": 20,
    "model.proposals.test_top": 20,
    "model.branches.0.embedder.encoder": tower,
    "model.branches.0.embedder.regions.width": 16,
    "model.branches.0.embedder.regions.hidden": 16,
    "model.branches.0.embedder.regions.dim": 6 * 16,
    "model.boxes.hidden": 16,
    "model.settings.sampler.count": 16,
    "model.settings.objectives.0.positions.width": 16,
}
