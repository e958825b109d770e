"""LSeg, DPT over a ResNet-101, VOC 15 / 5. Published, trained so: unseen mIoU 47.4 (by OVSeg).

python tools/train.py configs/methods/lseg/lseg_r101_voc-zs.py  # 4 devices x 4 images

The paper's zero-shot models learn from episodes, "others" against one class; here all seen names
compete, and at test the unseen ones with them. ImageNet's and CLIP's weights: by path or by their
names in the model zoo.
"""

_base_ = [
    "../../base/datasets/voc_zs.py",
    "../../base/runtime.py",
]

clip_name = "ViT-B-32-quickgelu"

model = dict(
    type="PixelSegmentor",
    trunk=dict(
        type="DptTrunk",
        trunk=dict(
            type="ResNetTrunk", depth=101, norm="sync", frozen=-1, weights="resnet101-63fe2227.pth"
        ),
        width=256,
    ),
    text=dict(
        type="TextClasses",
        encoder=dict(type="OpenClipText", name=clip_name, weights="ViT-B-32.pt"),
        templates="none",
    ),
    head=dict(type="CosinePixelHead", scale=1 / 0.07, project=(256, 512)),
    criterion=dict(type="PixelCrossEntropy"),
)
train = dict(iters=20_000, checkpoint_interval=2_000)
optim = dict(
    type="SGD",
    lr=0.04,  # as for ADE20K: 0.004 for 16 images, ten times that for the decoder
    momentum=0.9,
    weight_decay=1e-4,
    schedule="cosine",
    rates={"trunk.trunk": 0.1},
)
reduced = {
    "model.trunk.trunk.depth": 18,
    "model.trunk.trunk.norm": "batch",
    "model.trunk.width": 16,
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8
    ),
    "model.head.project": (16, 512),
}
