"""LSeg's smallest proof on stickers-seg: frozen names against rows that learn.

python tools/prove.py lseg
"""

_closed = "closed set, nearest name (baseline)"
_rows = "lseg_rows_tiny_stickers.py"


def _read(name, **options):
    """Return a row that reads the closed set's weights in another way."""
    return dict(name=name, config=_rows, options=options, weights_of=_closed)


variants = [
    dict(name=_closed, config=_rows),
    # of two names with one row the config prefers the seen one by a hair, this the unseen one
    _read("closed set, unseen win ties", **{"model.settings.answers.seen_bias": 1e-3}),
    _read("closed set, random unseen rows", **{"model.text.others": "random"}),
    dict(
        name="rows from text, trained",
        config=_rows,
        options={"model.text.start": "text", "model.text.others": "text"},
    ),
    dict(name="LSeg", config="lseg_tiny_stickers.py"),
    dict(name="LSeg, bottleneck blocks", config="lseg_smooth_tiny_stickers.py"),
]
figures = {
    "unseen mIoU": "semantic/mIoU(U)",
    "seen mIoU": "semantic/mIoU(S)",
    "hIoU": "semantic/hIoU",
    "pAcc": "semantic/pAcc",
}
