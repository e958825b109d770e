"""OWL-ViT and OWLv2 folders: their weights in ovdet's own OWL-ViT.

transformers' module would encode every name anew for every picture. Ours gives the same numbers,
keeps the text, and takes any number of names in tiles.
"""

from typing import Any

from torch import Tensor

from ovdet.adapters.transformers.detector import FolderDetector
from ovdet.adapters.transformers.folder import Folder, fill
from ovdet.adapters.transformers.pictures import SizedPictures
from ovdet.adapters.transformers.towers import image_tower, text_tower
from ovdet.detectors import DenseDetector, DenseSettings, Selection
from ovdet.methods.owlvit import OwlvitCriterion, OwlvitHead, OwlvitTrunk, rename_published
from ovdet.structures import Regions, Sample, Vocabulary
from ovdet.text import TextClasses

_THRESHOLD = 0.1  # that of transformers' own post-processing
_TOP = 300


class SizedDetector(FolderDetector):
    """A detector of ovdet whose pictures come in the size its weights were trained at.

    Args:
        inner: Finds and names.
        pictures: Sample to the sample it sees.
        threshold: Least score of an object shown when the user names none.
    """

    def __init__(self, inner: DenseDetector, pictures: SizedPictures, threshold: float) -> None:
        super().__init__(threshold)
        self.inner = inner
        self.pictures = pictures

    @property
    def text(self) -> Any:
        """The text slot."""
        return self.inner.text

    def predict(
        self,
        samples: list[Sample],
        vocabulary: Vocabulary,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find and name objects; see ``DenseDetector.predict``.

        Args:
            samples: B samples of any sizes, best those of their files.
            vocabulary: Any C classes.
            threshold: Least score; all when None.
            top_k: Most boxes an image; 300 when None.
        """
        sized = [self.pictures(sample) for sample in samples]
        return self.inner.predict(sized, vocabulary, threshold=threshold, top_k=top_k)

    def embed_boxes(self, samples: list[Sample], regions: Regions) -> Tensor:
        """Return what is seen in given boxes; see ``DenseDetector.embed_boxes``.

        Args:
            samples: B samples of any sizes.
            regions: R boxes, px of the samples; owners index them.
        """
        sized = [self.pictures(sample) for sample in samples]
        pairs = zip(sized, samples, strict=True)
        factors = [[new / old for new, old in zip(s.scale, o.scale, strict=True)] for s, o in pairs]
        factor = regions.boxes.new_tensor(factors)[regions.owner].repeat(1, 2)
        return self.inner.embed_boxes(sized, regions.with_(boxes=regions.boxes * factor))


def build_owlvit(folder: Folder) -> SizedDetector:
    """Return an OWL-ViT, whose pictures are stretched to a square."""
    return _build(folder, "OwlViTImageProcessor", square=False)


def build_owlv2(folder: Folder) -> SizedDetector:
    """Return an OWLv2, whose pictures are padded to a square."""
    return _build(folder, "Owlv2ImageProcessor", square=True)


def _build(folder: Folder, kind: str, *, square: bool) -> SizedDetector:
    weights, vision = rename_published(folder.weights()), folder.facts.vision_config
    side = vision.image_size
    processor = folder.pictures(kind, size={"height": side, "width": side})
    inner = DenseDetector(
        trunk=OwlvitTrunk(image_tower(folder, processor), size=side),
        text=TextClasses(text_tower(folder), templates="none"),
        head=OwlvitHead(
            vision.hidden_size,
            folder.facts.projection_dim,
            stride=vision.patch_size,
            objectness=any(name.startswith("head.objectness.") for name in weights),
        ),
        criterion=OwlvitCriterion(),
        settings=DenseSettings(selection=Selection(nms=None, top=_TOP)),
    )
    fill(inner, weights, folder.path)
    return SizedDetector(inner, SizedPictures(processor, square=square), _THRESHOLD)
