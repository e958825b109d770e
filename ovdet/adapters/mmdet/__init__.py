"""mmdet under our slots: its parts by name, its detectors whole, its heads against text.

Importing this makes ``mmcv.ops`` and ``mmdet`` usable without mmcv's compiled operators. mmdet
itself takes seconds to import and is imported where a config first names one of its parts.
"""

from ovdet.adapters.mmdet.bridge import install
from ovdet.adapters.mmdet.detector import MmdetDetector, MmdetText
from ovdet.adapters.mmdet.loading import load_mmdet
from ovdet.adapters.mmdet.parts import MmdetTrunk

install()

__all__ = ["MmdetDetector", "MmdetText", "MmdetTrunk", "load_mmdet"]
