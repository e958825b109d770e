"""FILIP's smallest proof: where the words of a caption are, learnt from captions alone.

python tools/prove.py filip
"""

variants = [
    dict(name="global InfoNCE (baseline)", config="filip_global_tiny_stickers.py"),
    dict(name="FILIP", config="filip_tiny_stickers.py"),
    dict(
        name="FILIP without the text mask",
        config="filip_tiny_stickers.py",
        options={"model.objective.mask_words": False},
    ),
]
figures = {
    "pointing": "pointing/accuracy",
    "pointing by a word in its sentence": "pointing in sentence/accuracy",
    "chance": "pointing/chance",
    "crops among 65": "crops/top1 of 65",
    "image to text R@1": "retrieval/image_to_text@1",
    "text to image R@1": "retrieval/text_to_image@1",
}
