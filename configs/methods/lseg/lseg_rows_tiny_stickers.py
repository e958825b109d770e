"""The ablation: a classifier of the seen names, whose rows learn; others get the nearest one's.

python tools/train.py configs/methods/lseg/lseg_rows_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["lseg_tiny_stickers.py"]

rows = dict(
    type="LearntRows",
    text={{_base_.names}},
    names="data/stickers-seg/annotations/vocabulary.json",
    start="random",
    others="nearest",
)
# A hair for the seen: of two names with one row the first in the vocabulary would win.
answers = dict(type="PixelAnswers", seen_bias=-1e-3)
model = dict(text=dict(_delete_=True, **rows), settings=dict(type="PixelSettings", answers=answers))
reduced = {"model.text.names": ["cat", "red car"]}  # the names that the tests learn
