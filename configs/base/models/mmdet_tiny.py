"""What mmdet's detectors have in common on pictures of 128 px: tiny-clip's two towers.

Its image trunk stands where ImageNet's ResNet does in mmdet's configs, with levels of strides 4, 8
and 16; its text tower in the class layers. A config says which detector, and how narrow.
"""

dim = 128  # D, of tiny-clip
levels = [64, 128, 256]  # channels of the trunk

text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
blocks = dict(type="SmallTrunk", widths=(32, *levels))
image_tower = dict(type="SmallImageEncoder", dim=dim, trunk=blocks)
text_slot = dict(
    type="TextClasses",
    encoder=dict(
        type="Pretrained", module=text_tower, file="tiny-clip.safetensors", prefix="text."
    ),
    templates="single",
)
model = dict(
    type="MmdetDetector",
    opening=dict(type="MmdetText", text=text_slot, dim=dim),
    trunk=dict(
        type="Pretrained", module=blocks, file="tiny-clip.safetensors", prefix="image.trunk."
    ),
)
