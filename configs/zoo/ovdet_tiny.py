"""ovdet-tiny, the default: measured on stickers-ov; other data by --cfg-options.

python tools/test.py configs/zoo/ovdet_tiny.py model_zoo/ovdet-tiny.safetensors
"""

_base_ = [
    "../base/models/ovdet_tiny.py",
    "../base/datasets/stickers_ov_large.py",
    "../base/runtime.py",
]

model = dict(
    trunk=dict(type="RawAndPyramid", trunk={{_base_.blocks}}, width={{_base_.width}}),
    text=dict(type="TextClasses", encoder={{_base_.tower}}, templates="single"),
    branches=[
        dict(
            type="RegionBranch",
            embedder={{_base_.embedder}},
            classifier={{_base_.classifier}},
        )
    ],
)
