"""OWL-ViT asked by example: one labelled training picture a class in place of the class's name.

python tools/train.py configs/methods/owlvit/owlvit_oneshot_tiny_stickers.py  # 1 CPU x 8 images

It learns as `owlvit_tiny_stickers.py`; the proof measures that one's weights with it.
"""

_base_ = ["owlvit_tiny_stickers.py"]

shown = dict(
    type="CocoDataset",
    ann_file="data/stickers-ov/annotations/train_all.json",
    image_dir="data/stickers-ov/train",
)
examples = dict(type="OwlvitExamples", dataset=shown, rule=dict(type="OwlvitRule", shots=1))
model = dict(settings=dict(examples=examples))
reduced = {"model.settings.examples": None}  # the tests ask for names that no picture shows
