"""CLIPSeg folders: their weights in ovdet's own CLIPSeg.

The image tower runs once a picture and the text once a name, where transformers' module runs both
once for each pair of the two.
"""

from typing import Any

from torch import Tensor

from ovdet.adapters.transformers.folder import CONFIG, Folder, fill
from ovdet.adapters.transformers.pictures import SizedPictures
from ovdet.adapters.transformers.towers import image_tower, text_tower
from ovdet.methods.clipseg import ClipsegDecoder, ClipsegText, rename_published
from ovdet.segmentors import PixelAnswers, PixelSegmentor, PixelSettings
from ovdet.segmentors.base import SEMANTIC, Segmentor
from ovdet.structures import InputError, Sample, Vocabulary
from ovdet.vision import VitTaps

_SIDE = 352  # px, of the released models' pictures
_PROCESSOR = "ViTImageProcessor"


class SizedSegmentor(Segmentor):
    """A segmentor of ovdet whose pictures come in the size its weights were trained at.

    Args:
        inner: Names pixels.
        pictures: Sample to the sample it sees.
    """

    def __init__(self, inner: PixelSegmentor, pictures: SizedPictures) -> None:
        super().__init__(SEMANTIC)
        self.inner = inner
        self.pictures = pictures

    @property
    def text(self) -> Any:
        """The text slot."""
        return self.inner.text

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Refuse: its pictures are sized for predictions.

        Raises:
            InputError: Always.
        """
        del samples, vocabulary
        raise InputError(
            "a folder's segmentor predicts; to train on its weights name them in a config of the "
            "method"
        )

    def segment(
        self, samples: list[Sample], vocabulary: Vocabulary, task: str = SEMANTIC
    ) -> list[Tensor]:
        """Name every pixel; see ``PixelSegmentor.segment``.

        Args:
            samples: B samples of any sizes, best those of their files.
            vocabulary: Any C classes.
            task: ``semantic``.

        Returns:
            For each sample its label map, ``IGNORED`` where no name is more likely than not.
        """
        return self.inner.segment([self.pictures(sample) for sample in samples], vocabulary, task)


def build_clipseg(folder: Folder) -> SizedSegmentor:
    """Return the segmentor of a folder, whose pictures are stretched to a square.

    Raises:
        InputError: If its condition does not enter at the deepest tap.
    """
    facts = folder.facts
    if facts.conditional_layer != 0:
        place = folder.path / CONFIG
        raise InputError(f"{place}: conditional_layer must be 0, got {facts.conditional_layer}")
    processor = folder.pictures(_PROCESSOR, size={"height": _SIDE, "width": _SIDE})
    tower = image_tower(folder, processor)
    trunk = VitTaps(tower, sorted(facts.extract_layers), frozen=True)
    head = ClipsegDecoder(
        trunk.widths,
        facts.projection_dim,
        patch=facts.vision_config.patch_size,
        width=facts.reduce_dim,
        heads=facts.decoder_num_attention_heads,
        hidden=facts.decoder_intermediate_size,
        refined=facts.use_complex_transposed_convolution,
    )
    inner = PixelSegmentor(
        trunk=trunk,
        text=ClipsegText(text_tower(folder)),
        head=head,
        settings=PixelSettings(answers=PixelAnswers(reject=0.5, sigmoid=True)),
    )
    fill(inner, rename_published(folder.weights()), folder.path)
    return SizedSegmentor(inner, SizedPictures(processor, square=False))
