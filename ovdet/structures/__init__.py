"""Records that travel between the slots, and the slots' signatures."""

from ovdet.structures.errors import InputError
from ovdet.structures.files import atomic_write, read_json
from ovdet.structures.flow import Flow, Text
from ovdet.structures.regions import Regions
from ovdet.structures.samples import Sample, batch_images
from ovdet.structures.vocabulary import Vocabulary

__all__ = [
    "Flow",
    "InputError",
    "Regions",
    "Sample",
    "Text",
    "Vocabulary",
    "atomic_write",
    "batch_images",
    "read_json",
]
