"""The compiled functions that mmcv's Python calls, by torch and torchvision.

Each has mmcv's name and order of arguments, because mmcv's own code calls it: results are written
into tensors it hands over. What is computed in half precision there is computed in float32 here.

Of what mmdet's models call, deformable RoI pooling alone is left out (two configs of 2017): its
offsets have gradients that no operator of torchvision gives.
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
from ovdet.adapters.mmdet.operators.masked import masked_col2im_forward, masked_im2col_forward
from ovdet.adapters.mmdet.operators.pooling import (
    roi_align_backward,
    roi_align_forward,
    roi_pool_backward,
    roi_pool_forward,
)
from ovdet.adapters.mmdet.operators.suppression import nms, nms_match, softnms
from ovdet.adapters.mmdet.operators.upsampling import (
    carafe_backward,
    carafe_forward,
    carafe_naive_backward,
    carafe_naive_forward,
)

__all__ = [
    "carafe_backward",
    "carafe_forward",
    "carafe_naive_backward",
    "carafe_naive_forward",
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "masked_col2im_forward",
    "masked_im2col_forward",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
    "ms_deform_attn_backward",
    "ms_deform_attn_forward",
    "nms",
    "nms_match",
    "roi_align_backward",
    "roi_align_forward",
    "roi_pool_backward",
    "roi_pool_forward",
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softnms",
]
