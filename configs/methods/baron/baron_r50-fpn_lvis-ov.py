"""BARON with CLIP's image encoder, R50-FPN, OV-LVIS. Published: mask AP_r 22.6.

python tools/train.py configs/methods/baron/baron_r50-fpn_lvis-ov.py --amp  # 16 devices x 4 images

The authors' class embeddings are DetPro's; here they are those of 63 templates. To take learnt
prompts, give `model.text` as configs/methods/detpro/detpro_r50-fpn_lvis-ov.py does.
"""

_base_ = [
    "../../base/models/two_stage_r50_fpn.py",
    "../../base/datasets/lvis_ov.py",
    "../../base/schedules/iters_90k.py",
    "../../base/runtime.py",
]

words = 4
token_width = 512  # of CLIP ViT-B/32's text tower
teacher = dict(type="CropTeacher", encoder={{_base_.image_tower}}, crop_size=224, context=1.0)
text_branch = dict(
    type="RegionBranch",
    embedder=dict(
        type="BaronEmbedder",
        regions=dict(
            type="RoiEmbedder",
            width={{_base_.width}},
            dim=words * token_width,
            hidden={{_base_.hidden}},
            convs=4,
            size=7,
            samples=2,
            levels=4,
        ),
        encoder={{_base_.text_tower}},
        words=words,
        dropout=0.5,
    ),
    classifier=dict(type="CosineClassifier", dim={{_base_.dim}}, scale=100.0),
)
model = dict(
    trunk=dict(trunk=dict(norm="sync", frozen=-1)),
    branches=[text_branch],
    settings=dict(
        selection=dict(threshold=1e-4, nms=0.5, top=300),
        objectives=[
            dict(
                type="BaronBags",
                teacher=teacher,
                centres=dict(type="BaronCentres", objectness=0.85, area=0.01, nms=0.1, top=500),
                neighbours=dict(type="BaronNeighbours", bags=6),
                positions=dict(type="BaronPositions", words=words, width=token_width),
                bags=dict(type="PairedInfoNce", dim=512, length=1024, scale=20.0),
                singles=dict(type="PairedInfoNce", dim=512, length=1024, scale=30.0),
                settings=dict(type="BaronSettings", bag_weight=1.0, single_weight=0.1),
            )
        ],
    ),
)
train = dict(
    iters=45_000,
    checkpoint_interval=5_000,
    batch_size=4,
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            dict(type="RandomResize", shorts=(640, 672, 704, 736, 768, 800), longest=1333),
        ],
    ),
)
optim = dict(
    lr=0.08,  # 0.02 * 64 images / 16
    weight_decay=2.5e-5,
    clip=35.0,
    milestones=(30_000, 40_000),
)
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
    "model.masks.width": 16,
    "model.settings.sampler.count": 16,
    "model.settings.objectives.0.positions.width": 16,
    "model.settings.objectives.0.teacher.encoder": dict(
        type="SmallImageEncoder", dim=512, trunk=dict(type="SmallTrunk", widths=(8, 8, 8))
    ),
    "model.settings.objectives.0.teacher.crop_size": 32,
}
