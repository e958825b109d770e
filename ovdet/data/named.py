"""Vocabularies as entries of a config."""

from ovdet.data.splits import read_vocabulary
from ovdet.registry import DATASETS
from ovdet.structures import Vocabulary


@DATASETS.register_module(name="NamedVocabulary")
def named_vocabulary(source: str) -> Vocabulary:
    """Return a vocabulary for a part that wants one.

    Args:
        source: A file, or a published one as ``@lvis-v1``.

    Raises:
        InputError: If there is no such vocabulary, or the file is not one.
    """
    return read_vocabulary(source)
