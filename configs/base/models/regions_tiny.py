"""Prepared regions named by tiny-clip's text tower, whose prompts are learnt."""

dim = 128  # D, of tiny-clip
text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
model = dict(
    type="RegionRecognizer",
    text=dict(
        type="LearnedPrompts",
        encoder=dict(
            type="Pretrained", module=text_tower, file="tiny-clip.safetensors", prefix="text."
        ),
    ),
    # tiny-clip's own learnt scale is 27.9; one logit a class, nothing else.
    classifier=dict(type="CosineClassifier", dim=dim, scale=28.0, background="none"),
)
