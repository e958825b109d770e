"""Training-free dense CLIP's smallest proof on stickers-seg: whose attention the last block takes.

python tools/prove.py trainingfree
"""

_config = "trainingfree_tiny_stickers.py"


def _attention(name, *pairs, residual=False, ffn=False, sigma=None, **options):
    """Return a row whose last block attends by these pairs, and further entries of the model."""
    readout = dict(type="SelfSelfAttention", pairs=pairs, residual=residual, ffn=ffn, sigma=sigma)
    entries = {f"model.{key.replace('__', '.')}": value for key, value in options.items()}
    return dict(
        name=name, config=_config, options={"model.trunk.module.readout": readout, **entries}
    )


def _rejecting(least):
    """Return a row that leaves pixels without a class whose best name is less probable."""
    return _attention(f"kk + gauss, none below {least}", "kk", sigma=5.0,
                      settings__answers__reject=least)  # fmt: skip


variants = [
    _attention("qk, the block as it is (baseline)", "qk", residual=True, ffn=True),
    dict(name="value path", of="maskclip"),  # identity
    _attention("qk alone", "qk"),
    _attention("qq + kk (SCLIP)", "qq", "kk", residual=True, ffn=True),
    _attention("qq + kk alone", "qq", "kk"),
    _attention("kk alone", "kk"),
    _attention("kk + gauss (NACLIP)", "kk", sigma=5.0),
    _attention("kk + gauss of 1 patch", "kk", sigma=1.0),
    dict(name="proxy (ProxyCLIP)", config="trainingfree_proxy_tiny_stickers.py"),
    _attention("kk + gauss in windows", "kk", sigma=5.0, settings__views__window=96),
    _attention("kk + gauss, PAMR", "kk", sigma=5.0,
               refinements=[dict(type="Pamr", dilations=(2, 4), stride=2)]),
    _rejecting(0.1),
    _rejecting(0.2),
    _rejecting(0.4),
]  # fmt: skip
figures = {
    "mIoU": "semantic/mIoU",
    "mIoU(S)": "semantic/mIoU(S)",
    "mIoU(U)": "semantic/mIoU(U)",
    "pAcc": "semantic/pAcc",
}
