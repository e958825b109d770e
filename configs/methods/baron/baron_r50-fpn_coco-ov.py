"""BARON with CLIP's image encoder, R50-FPN, OV-COCO. Published: box AP50 34.0 novel.

python tools/train.py configs/methods/baron/baron_r50-fpn_coco-ov.py --amp  # 16 devices x 2 images
"""

_base_ = [
    "../../base/models/two_stage_r50_fpn.py",
    "../../base/datasets/coco_ov.py",
    "../../base/schedules/iters_90k.py",
    "../../base/runtime.py",
]

words = 6
token_width = 512  # of CLIP ViT-B/32's text tower
teacher = dict(type="CropTeacher", encoder={{_base_.image_tower}}, crop_size=224, context=1.0)
positions = dict(type="BaronPositions", words=words, width=token_width)
centres = dict(type="BaronCentres", objectness=0.85, area=0.01, nms=0.1, top=300)
regions = dict(
    type="RoiEmbedder",
    width={{_base_.width}},
    dim=words * token_width,
    hidden={{_base_.hidden}},
    convs=4,
    size=7,
    samples=2,
    levels=4,
)
text_branch = dict(
    type="RegionBranch",
    embedder=dict(
        type="BaronEmbedder",
        regions=regions,
        encoder={{_base_.text_tower}},
        words=words,
        dropout=0.5,
    ),
    classifier=dict(type="CosineClassifier", dim={{_base_.dim}}, scale=50.0),
)
model = dict(
    trunk=dict(trunk=dict(norm="sync", frozen=-1)),
    branches=[text_branch],
    masks=None,
    settings=dict(
        selection=dict(threshold=0.01, nms=0.5, top=100),
        objectives=[
            dict(
                type="BaronBags",
                teacher=teacher,
                centres=centres,
                neighbours=dict(type="BaronNeighbours", bags=3),
                positions=positions,
                bags=dict(type="PairedInfoNce", dim=512, length=1024, scale=30.0),
                singles=dict(type="PairedInfoNce", dim=512, length=1024, scale=50.0),
                settings=dict(type="BaronSettings", bag_weight=1.0, single_weight=0.1),
            )
        ],
    ),
)
train = dict(
    iters={{_base_.iters}},
    checkpoint_interval=5_000,
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            dict(type="RandomResize", shorts=(640, 672, 704, 736, 768, 800), longest=1333),
        ],
    ),
)
optim = dict(lr=0.04, weight_decay=2.5e-5)  # 0.02 * 32 images / 16
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
    "model.branches.0.embedder.regions.dim": words * 16,
    "model.boxes.hidden": 16,
    "model.settings.sampler.count": 16,
    "model.settings.objectives.0.positions.width": 16,
    "model.settings.objectives.0.teacher.encoder": dict(
        type="SmallImageEncoder", dim=512, trunk=dict(type="SmallTrunk", widths=(8, 8, 8))
    ),
    "model.settings.objectives.0.teacher.crop_size": 32,
}
