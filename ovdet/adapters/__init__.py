"""Models of other libraries behind ovdet's own interfaces. Nothing heavy is imported here."""

from ovdet.adapters.transformers import ARCHITECTURES, load_folder

__all__ = ["ARCHITECTURES", "load_folder"]
