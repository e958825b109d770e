"""stickers-caps: pictures with sentences, rendered as they are asked for; nothing is stored."""

train = dict(
    dataset=dict(type="CaptionDataset", stream=dict(type="CaptionStream", size=64, seed=0)),
    batch_size=128,
)
val = dict(
    dataset=dict(
        type="CaptionDataset", stream=dict(type="CaptionStream", size=64, seed=1), size=200
    ),
    batch_size=100,
    metrics=[dict(type="RetrievalRecall")],
)
