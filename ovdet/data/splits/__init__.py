"""Named vocabularies: the class lists and sides of the published protocols."""

from ovdet.data.splits.named import names, read_vocabulary, vocabulary

__all__ = ["names", "read_vocabulary", "vocabulary"]
