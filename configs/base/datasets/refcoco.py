"""RefCOCO, to measure models on that were trained elsewhere: every expression means one box.

python tools/convert.py refcoco  # data/refer to data/refcoco; images of COCO's train2014
"""

val = dict(
    dataset=dict(
        type="PhraseDataset",
        ann_file="data/refcoco/refcoco_unc_val.json",  # or testA, testB; refcoco+_unc, refcocog_umd
        image_dir="data/coco/train2014",
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="PhraseRecall", tops=(1,))],
)
