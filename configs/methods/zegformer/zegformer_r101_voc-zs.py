"""ZegFormer, R101, VOC 15/5. Published: mIoU 86.4 seen, 63.6 unseen (unverified).

python tools/train.py configs/methods/zegformer/zegformer_r101_voc-zs.py  # 8 devices x 4 images
"""

_base_ = ["zegformer_r101_cocostuff-zs.py"]

labels = "data/voc/labels_20"
images = "data/VOCdevkit/VOC2012/JPEGImages"

model = dict(text=dict(templates=["A photo of a {} in the scene"]))
train = dict(
    iters=30_000,  # the paper's 10,000 are unstable; its authors recommend these
    dataset=dict(
        label_dir=f"{labels}/trainaug",
        image_dir=images,
        vocabulary="@voc-zs",
        transforms=[
            dict(type="RandomFlip"),
            dict(type="ScaleJitter", low=0.5, high=2.0, size=512),
            dict(type="ColorJitter"),
        ],
    ),
)
val = dict(
    dataset=dict(
        label_dir=f"{labels}/val",
        image_dir=images,
        vocabulary="@voc-zs",
        transforms=[dict(type="Resize", short=512, longest=2048)],
    ),
)
