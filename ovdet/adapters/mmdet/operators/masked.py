"""A convolution of some places of a picture alone (guided anchoring, Wang 2019, Sec. 3.4).

mmcv multiplies; the two functions here fetch what is multiplied, and put it back. Shapes: one
picture [1, c, h, w], N places, kernels kh x kw.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    features: Tensor, rows: Tensor, columns: Tensor, output: Tensor, **how: int
) -> None:
    """Write the windows of N places into ``output`` [c kh kw, N].

    Args:
        features: [1, c, h, w].
        rows: [N], each window's place in the output, from the top.
        columns: [N], from the left.
        output: [c kh kw, N].
        how: ``kernel_h``, ``kernel_w``, ``pad_h``, ``pad_w``.
    """
    padded = F.pad(features[0], [how["pad_w"]] * 2 + [how["pad_h"]] * 2)
    down = rows[:, None] + torch.arange(how["kernel_h"], device=rows.device)  # [N, kh]
    right = columns[:, None] + torch.arange(how["kernel_w"], device=rows.device)
    windows = padded[:, down[:, :, None], right[:, None, :]]  # [c, N, kh, kw]
    output.copy_(windows.movedim(1, 3).flatten(0, 2))


def masked_col2im_forward(
    values: Tensor, rows: Tensor, columns: Tensor, output: Tensor, **_how: int
) -> None:
    """Write values [o, N] to their places in ``output`` [1, o, h', w']."""
    output[0, :, rows, columns] = values
