"""The compiled functions that mmcv's Python calls, by torch and torchvision.

Each has mmcv's name and order of arguments, because mmcv's own code calls it: results are written
into tensors it hands over. What is computed in half precision there is computed in float32 here.
"""

from ovdet.adapters.mmdet.operators.attention import (
    ms_deform_attn_backward,
    ms_deform_attn_forward,
)
from ovdet.adapters.mmdet.operators.convolution import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from ovdet.adapters.mmdet.operators.focal import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
)
from ovdet.adapters.mmdet.operators.pooling import (
    roi_align_backward,
    roi_align_forward,
    roi_pool_backward,
    roi_pool_forward,
)
from ovdet.adapters.mmdet.operators.suppression import nms, softnms

__all__ = [
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
    "ms_deform_attn_backward",
    "ms_deform_attn_forward",
    "nms",
    "roi_align_backward",
    "roi_align_forward",
    "roi_pool_backward",
    "roi_pool_forward",
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softnms",
]
