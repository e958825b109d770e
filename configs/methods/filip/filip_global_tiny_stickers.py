"""The baseline beside FILIP: the same towers, pooled to one vector each, under InfoNCE.

python tools/train.py configs/methods/filip/filip_global_tiny_stickers.py  # 1 CPU x 64 pictures

A picture's vector is the mean of its places, a text's vector is read at END. Pointing asks the
same places one by one.
"""

_base_ = ["filip_tiny_stickers.py"]

model = dict(objective=dict(_delete_=True, type="InfoNce"))
