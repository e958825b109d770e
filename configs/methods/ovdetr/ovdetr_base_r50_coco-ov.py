"""OV-DETR without boxes of novel objects: the detector whose proposals the labeler looks at.

python tools/train.py configs/methods/ovdetr/ovdetr_base_r50_coco-ov.py  # 8 devices x 2 images
"""

_base_ = ["../../base/datasets/coco_ov.py", "../../base/runtime.py"]

dim = 512  # D, of CLIP ViT-B/32
width = 256
layers = 6  # of encoder and decoder each
sizes = dict(heads=8, points=4, hidden=1024)
clip = dict(name="ViT-B-32-quickgelu", weights="ViT-B-32.pt")
terms = dict(type="SetTerms", classes=3.0, distance=5.0, overlap=2.0)
criterion = dict(type="SetCriterion", terms=terms)

model = dict(
    type="QueryDetector",
    trunk=dict(
        type="ResNetTrunk", depth=50, norm="frozen", frozen=1, weights="resnet50-0676ba61.pth"
    ),
    text=dict(type="TextClasses", encoder=dict(type="OpenClipText", **clip), templates="clip80"),
    proposals=dict(
        type="QueryProposals",
        encoder=dict(
            type="QueryEncoder",
            widths=(512, 1024, 2048),  # C3 to C5, and C6 made of C5
            extra=1,
            width=width,
            layers=layers,
            **sizes,
        ),
        criterion=criterion,
        count=300,
    ),
    decoder=dict(type="QueryDecoder", width=width, levels=4, layers=layers, **sizes),
    classifier=dict(type="ConditionClassifier", width=width, layers=layers),
    criterion=criterion,
    conditions=dict(type="OvdetrConditions", width=width, dim=dim, count=15, padded=12, words=0.75),
    settings=dict(
        type="QuerySettings",
        chunk=15,
        selection=dict(type="Selection", nms=None, top=300),
        objectives=[dict(type="OvdetrReconstruction", width=width, dim=dim, layers=layers)],
    ),
)
labeler = dict(
    type="OvdetrLabeler",
    teacher=dict(
        type="CropTeacher",
        encoder=dict(type="ClipImageEncoder", tower=clip["name"], weights=clip["weights"]),
        context=1.0,
        resample="bilinear",
    ),
    count=300,
)

flip = dict(type="RandomFlip")
resize = dict(type="RandomResize", shorts=tuple(range(480, 801, 32)), longest=1333)
train = dict(
    iters=336_750,  # 50 epochs of 107,761 pictures: 50 * 107,761 / (8 * 2)
    checkpoint_interval=6_735,
    dataset=dict(transforms=[flip, resize]),
)
optim = dict(
    type="AdamW",
    lr=2e-4,
    weight_decay=1e-4,
    no_decay_norm_bias=False,
    clip=0.1,
    schedule="steps",
    milestones=(269_400,),  # 40 epochs
    rates={
        "trunk": 0.1,
        **{f"decoder.layers.{i}.attend.offsets": 0.1 for i in range(layers)},
        **{f"proposals.encoder.layers.{i}.attend.offsets": 0.1 for i in range(layers)},
    },
)

reduced = {
    "model.trunk.depth": 18,
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=dim, width=16, layers=1, embed_width=8
    ),
    "model.text.templates": "single",
    "model.proposals.encoder": dict(
        type="QueryEncoder",
        widths=(128, 256, 512),
        extra=1,
        width=16,
        layers=1,
        heads=2,
        points=2,
        hidden=16,
    ),
    "model.proposals.count": 20,
    "model.decoder": dict(
        type="QueryDecoder", width=16, levels=4, layers=2, heads=2, points=2, hidden=16
    ),
    "model.classifier": dict(type="ConditionClassifier", width=16, layers=2),
    "model.conditions": dict(type="OvdetrConditions", width=16, dim=dim, count=3, padded=2),
    "model.settings.objectives": [dict(type="OvdetrReconstruction", width=16, dim=dim, layers=2)],
}
