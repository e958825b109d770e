"""The ablation: the same decoder, told what to look for by a learnt row a seen name.

python tools/train.py configs/methods/clipseg/clipseg_table_tiny_stickers.py  # 1 CPU x 16 images

A name that was not seen has a random row.
"""

_base_ = ["clipseg_tiny_stickers.py"]

plain_text = dict(type="TextClasses", encoder={{_base_.frozen_text}}, templates="single")
rows = dict(
    type="LearntRows",
    text=plain_text,
    names="data/stickers-seg/annotations/vocabulary.json",
    start="random",
    others="random",
    length={{_base_.length}},
)
model = dict(text=dict(_delete_=True, **rows), settings=dict(prompts=None))
reduced = {"model.text.names": ["cat", "red car"]}  # the names that the tests learn
