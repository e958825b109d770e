"""CLIPSeg folders: their weights in ovdet's own CLIPSeg.

The image tower runs once a picture and the text once a name, where transformers' module runs both
once for each pair of the two.
"""

from ovdet.adapters.transformers.folder import CONFIG, Folder, fill
from ovdet.adapters.transformers.pictures import SizedPictures
from ovdet.adapters.transformers.sized import SizedSegmentor
from ovdet.adapters.transformers.towers import image_tower, text_tower
from ovdet.methods.clipseg import ClipsegDecoder, ClipsegText, rename_published
from ovdet.segmentors import PixelAnswers, PixelSegmentor, PixelSettings
from ovdet.structures import InputError
from ovdet.vision import VitTaps

_SIDE = 352  # px, of the released models' pictures
_PROCESSOR = "ViTImageProcessor"


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
