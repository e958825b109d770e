"""Folders of transformers (``config.json`` beside safetensors) as detectors and segmentors.

Where ovdet has the method itself, the weights go into ovdet's own parts: text is then cached on
disk, names are compared in tiles, embeddings can stand in for names, and the model can be trained
on. Otherwise transformers' own module is wrapped.
"""

from ovdet.adapters.transformers.loading import ARCHITECTURES, load_folder

__all__ = ["ARCHITECTURES", "load_folder"]
