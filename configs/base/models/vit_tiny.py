"""A plain ViT for patches of 8 px in the text space of tiny-clip, D = 128."""

dim = 128
vit = dict(type="SmallVit", dim=dim, width=192, layers=4, heads=3, stem=(32, 64), grid=8)
text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
