"""Maps read at points, and at which points they are worth reading. No state."""

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Read each map at points of its own, bilinearly; outside the map is zero.

    Args:
        maps: [N, h, w].
        points: [N, P, 2], (x, y), parts of a map's width and height.

    Returns:
        [N, P], float32 or finer.
    """
    wide = torch.promote_types(maps.dtype, torch.float32)  # points in bfloat16 are too coarse
    grid = (2 * points.to(wide) - 1)[:, :, None]
    read = F.grid_sample(maps[:, None].to(wide), grid, padding_mode="zeros", align_corners=False)
    return read[:, 0, :, 0]


@torch.no_grad()
def uncertain_points(
    logits: Tensor, count: int, *, oversample: float = 3.0, share: float = 0.75
) -> Tensor:
    """Draw points of masks, most of them where a mask is least sure.

    PointRend (Kirillov et al., CVPR 2020, Sec. 4.1). Draws from torch's global generator.

    Args:
        logits: [N, h, w], of masks.
        count: P.
        oversample: Points that are looked at for one that is kept for its uncertainty.
        share: Part of the P points that are the least sure ones, in [0, 1]; the others lie
            anywhere.

    Returns:
        [N, P, 2], (x, y), parts.
    """
    sure = int(share * count)
    drawn = torch.rand(len(logits), int(count * oversample), 2, device=logits.device)
    doubt = -sample_points(logits, drawn).abs()
    best = doubt.topk(sure, dim=1).indices
    points = drawn.gather(1, best[..., None].expand(-1, -1, 2))
    anywhere = torch.rand(len(logits), count - sure, 2, device=logits.device)
    return torch.cat([points, anywhere], dim=1)
