"""SAM, SAM 2 and SAM 3's tracker: from a picture and boxes to the masks of what the boxes hold.

Kirillov et al., "Segment Anything", ICCV 2023, https://arxiv.org/abs/2304.02643; Ravi et al.,
"SAM 2", https://arxiv.org/abs/2408.00714; Carion et al., "SAM 3", https://arxiv.org/abs/2511.16719.
Shapes: R boxes, H W px of the stored picture, h w cells of a mask.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.transformers.folder import Folder
from ovdet.adapters.transformers.pictures import Inputs, processed
from ovdet.structures import Sample

_CLASSES = {
    "sam": ("SamModel", "SamImageProcessor"),
    "sam2": ("Sam2Model", "Sam2ImageProcessor"),
    "sam2_video": ("Sam2Model", "Sam2ImageProcessor"),
    "sam3_tracker": ("Sam3TrackerModel", "Sam3ImageProcessor"),
    "sam3_video": ("Sam3TrackerModel", "Sam3ImageProcessor"),
}
_AT_ONCE = 2**24  # px of masks held at a time: 64 MiB in float32
_RESHAPED = "reshaped_input_sizes"


@dataclass(frozen=True)
class Seen:
    """A picture after the image tower.

    Attributes:
        features: What transformers calls image embeddings.
        steps: Px of the network input for one px of the picture, across and down.
        pixels: Of the network input.
        rule: What the processor wants to know again when it undoes its work.
    """

    features: Any
    steps: tuple[float, float]
    pixels: int
    rule: dict[str, Any]


class BoxMasks(nn.Module):
    """Draws what boxes hold. A picture is encoded once, its boxes are asked about a few at a time.

    Args:
        model: transformers' module.
        processor: transformers' image processor.
        chunk: Most boxes at once; fewer where pictures are large.

    Attributes:
        encoded: Pictures that went through the image tower so far.
    """

    def __init__(self, model: nn.Module, processor: Any, chunk: int = 32) -> None:
        super().__init__()
        self.model: Any = model
        self.processor = processor
        self.chunk = chunk
        self.encoded = 0

    @torch.no_grad()
    def forward(self, sample: Sample, boxes: Tensor) -> Tensor:
        """Return the masks of boxes of one picture.

        Args:
            sample: Of any size, best that of its file.
            boxes: [R, 4], xyxy, px of the stored picture.

        Returns:
            [R, H, W], bool, at the size of the stored picture, on the device of ``boxes``.
        """
        height, width = sample.original_size
        masks = torch.zeros(len(boxes), height, width, dtype=torch.bool, device=boxes.device)
        if len(boxes) == 0:
            return masks
        seen = self.look(sample.image)
        asked = boxes * boxes.new_tensor([*sample.scale, *sample.scale])
        step = max(1, min(self.chunk, _AT_ONCE // max(height * width, seen.pixels)))
        for start in range(0, len(boxes), step):
            rows = slice(start, start + step)
            logits = self.ask(seen, asked[rows])
            masks[rows] = self._drawn(logits, seen, (height, width)).to(masks.device)
        return masks

    def look(self, image: Tensor) -> Seen:
        """Encode a picture [3, H, W], RGB in [0, 1]."""
        inputs: Inputs = processed(self.processor, image, normalised=True)
        pixels = inputs["pixel_values"].to(next(self.parameters()).device)
        height, width = pixels.shape[2:]
        rule: dict[str, Any] = {}
        if _RESHAPED in inputs:  # the rest of the input is padding
            height, width = (int(side) for side in inputs[_RESHAPED][0])
            rule = {_RESHAPED: [(height, width)]}
        steps = (width / image.shape[2], height / image.shape[1])
        self.encoded += 1
        features = self.model.get_image_embeddings(pixels)
        return Seen(features, steps, pixels[0, 0].numel(), rule)

    def ask(self, seen: Seen, boxes: Tensor) -> Tensor:
        """Return the mask logits [R, h, w] of boxes [R, 4], xyxy, px of the picture."""
        device = next(self.parameters()).device
        placed = boxes.float() * boxes.new_tensor([*seen.steps, *seen.steps]).float()
        said = self.model(
            image_embeddings=seen.features,
            input_boxes=placed[None].to(device),
            multimask_output=False,
        )
        logits: Tensor = said.pred_masks[0, :, 0].float()
        return logits

    def _drawn(self, logits: Tensor, seen: Seen, size: tuple[int, int]) -> Tensor:
        """Return logits as masks [R, H, W], bool, by transformers' own rule."""
        drawn = self.processor.post_process_masks([logits[:, None]], [size], **seen.rule)
        masks: Tensor = drawn[0][:, 0]
        return masks


def build_box_masks(folder: Folder) -> BoxMasks:
    """Return what draws masks, of a folder of any of the kinds."""
    model, pictures = _CLASSES[folder.kind]
    loaded: Any = folder.load(model)
    side = loaded.config.prompt_encoder_config.image_size
    height, width = (side, side) if isinstance(side, int) else side
    defaults: dict[str, Any] = {"size": {"height": height, "width": width}}
    if folder.kind == "sam":  # pads where the others stretch
        defaults = {"size": {"longest_edge": max(height, width)}, "pad_size": defaults["size"]}
    return BoxMasks(loaded, folder.pictures(pictures, **defaults))
