"""tiny-clip: an image tower for 64 px and CLIP's text tower in small, D = 128."""

dim = 128
image_tower = dict(
    type="SmallImageEncoder", dim=dim, trunk=dict(type="SmallTrunk", widths=(32, 64, 128, 256))
)
text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
model = dict(type="DualEncoder", image=image_tower, text=text_tower, objective=dict(type="InfoNce"))
