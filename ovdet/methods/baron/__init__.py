"""BARON: align the embeddings of bags of regions, not those of single ones.

Wu et al., "Aligning Bag of Regions for Open-Vocabulary Object Detection", CVPR 2023,
https://arxiv.org/abs/2302.13996, Sec. 3.

Slots: embedder (a region becomes pseudo words, read by the frozen text tower: ``words.py``) and
objectives (bags of neighbours against an image encoder, or bags of a picture against its captions:
``bags.py``; which boxes form a bag: ``sampling.py``). Queues, contrasts and the crop teacher are
shared parts.
"""

from ovdet.methods.baron.bags import BaronBags, BaronCaptions
from ovdet.methods.baron.sampling import BaronCentres, BaronNeighbours
from ovdet.methods.baron.words import BaronEmbedder, BaronPositions

__all__ = [
    "BaronBags",
    "BaronCaptions",
    "BaronCentres",
    "BaronEmbedder",
    "BaronNeighbours",
    "BaronPositions",
]
