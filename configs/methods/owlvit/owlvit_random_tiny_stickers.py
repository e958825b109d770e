"""The ablation: the same detector from towers that know nothing.

python tools/train.py configs/methods/owlvit/owlvit_random_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["owlvit_tiny_stickers.py"]

plain_trunk = dict(type="OwlvitTrunk", vit={{_base_.vit.module}}, size=128)
plain_text = dict(type="TunedTextClasses", encoder={{_base_.text_tower.module}}, bare=True)
model = dict(trunk=dict(_delete_=True, **plain_trunk), text=dict(_delete_=True, **plain_text))
