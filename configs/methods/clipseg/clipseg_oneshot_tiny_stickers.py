"""CLIPSeg asked by example: one labelled training picture a class in place of the class's name.

python tools/train.py configs/methods/clipseg/clipseg_oneshot_tiny_stickers.py  # 1 CPU x 16 images

It learns as `clipseg_tiny_stickers.py`; the proof measures that one's weights with it.
"""

_base_ = ["clipseg_tiny_stickers.py"]

shown = dict(
    type="SemanticDataset",
    label_dir="data/stickers-seg/annotations/labels_train_all",
    image_dir="data/stickers-seg/train",
    vocabulary="data/stickers-seg/annotations/vocabulary.json",
)
examples = dict(
    type="ClipsegExamples",
    dataset=shown,
    view={{_base_.view}},
    shots=1,
    length={{_base_.length}},
)
model = dict(settings=dict(examples=examples))
reduced = {"model.settings.examples": None}  # the tests ask for names that no picture shows
