"""What others have built, behind ovdet's own interfaces. Nothing heavy is imported here."""

from ovdet.adapters.mmdet import MmdetDetector, MmdetText, MmdetTrunk, load_mmdet
from ovdet.adapters.transformers import ARCHITECTURES, load_folder

__all__ = ["ARCHITECTURES", "MmdetDetector", "MmdetText", "MmdetTrunk", "load_folder", "load_mmdet"]
