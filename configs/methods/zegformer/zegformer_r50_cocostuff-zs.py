"""ZegFormer, R50, COCO-Stuff 156/15. Published elsewhere: A-150 16.4, PAS-20 80.7 (README).

python tools/train.py configs/methods/zegformer/zegformer_r50_cocostuff-zs.py  # 8 devices x 4
"""

_base_ = ["zegformer_r101_cocostuff-zs.py"]

model = dict(trunk=dict(depth=50, weights="resnet50-0676ba61.pth"))
