"""What users import: load a model, detect, segment, hold a result."""

from ovdet.apis.images import read_image
from ovdet.apis.loading import load
from ovdet.apis.model import Model
from ovdet.apis.panoptic import PanopticResult, Segment
from ovdet.apis.result import Found, Result
from ovdet.apis.semantic import SemanticResult
from ovdet.apis.tiling import Tiled

__all__ = [
    "Found",
    "Model",
    "PanopticResult",
    "Result",
    "Segment",
    "SemanticResult",
    "Tiled",
    "load",
    "read_image",
]
