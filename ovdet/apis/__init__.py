"""What users import: load a model, detect, hold a result."""

from ovdet.apis.images import read_image
from ovdet.apis.loading import load
from ovdet.apis.model import Model
from ovdet.apis.result import Found, Result

__all__ = ["Found", "Model", "Result", "load", "read_image"]
