"""Opening an mmdet detector: text where its class layers were, and heads of any number of classes.

A head's other layers must not know classes either, so boxes and masks become class-agnostic.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ovdet.adapters.mmdet.classifier import TextClassifier, TextConv, TextLabels, TextLayer
from ovdet.structures import InputError

_BOX_HEADS = {"BBoxHead", "ConvFCBBoxHead", "Shared2FCBBoxHead", "Shared4Conv1FCBBoxHead"}
_CONVS = ("retina_cls", "atss_cls")
_PRIOR = 0.01  # of mmdet's own heads
_TOLD = (
    "mmdet's box heads of regions (Faster, Mask and Cascade R-CNN), RetinaNet, ATSS, "
    "Deformable DETR of one stage, DINO, MaskFormer and Mask2Former can be opened"
)


@dataclass(frozen=True)
class TextWidth:
    """What a text layer is made with.

    Attributes:
        dim: D, width of the text's embeddings.
        scale: Inverse temperature.
    """

    dim: int
    scale: float


def open_config(config: Any, width: TextWidth) -> None:
    """Change a model's config in place: region heads classify by text, boxes and masks by none."""
    if isinstance(config, list | tuple):
        for item in config:
            open_config(item, width)
    if not isinstance(config, dict):
        return
    if config.get("type") in _BOX_HEADS:
        config["reg_class_agnostic"] = True
        config["cls_predictor_cfg"] = {
            "type": "TextClassifier",
            "dim": width.dim,
            "scale": width.scale,
        }
    if config.get("type") == "FCNMaskHead":
        config["class_agnostic"] = True
    for value in config.values():
        open_config(value, width)


class OpenHeads:
    """The text layers of a detector, and whatever else counts its classes.

    The layers of one-stage and query heads are put in here, those of region heads came with
    :func:`open_config`.

    Args:
        detector: A detector of mmdet, just built.
        width: Of the text.

    Raises:
        InputError: If a head's class layer is none we know.
    """

    def __init__(self, detector: nn.Module, width: TextWidth) -> None:
        self._width = width
        self._counting = [m for m in detector.modules() if _counts(m)]
        proposing = {id(m) for name, m in detector.named_modules() if "rpn_head" in name.split(".")}
        self._counting = [m for m in self._counting if id(m) not in proposing]
        for head in self._counting:
            self._open(head, detector)
        layers = (TextLayer, TextLabels)
        self._layers = [m for m in detector.modules() if isinstance(m, layers)]
        self.names = tuple(_changed(detector))

    def _open(self, head: nn.Module, detector: nn.Module) -> None:
        if not hasattr(head, "loss_cls"):
            if hasattr(head, "label_embedding"):
                head.label_embedding = TextLabels(head.embed_dims, self._width.dim)  # type: ignore[arg-type]
            return
        if getattr(detector, "as_two_stage", False) and not hasattr(detector, "dn_query_generator"):
            raise InputError(
                f"a {type(detector).__name__} of two stages chooses its queries by its first class "
                f"and cannot be opened: {_TOLD}"
            )
        if getattr(head, "custom_cls_channels", False) or not self._replace(head):
            raise InputError(
                f"the class layer of mmdet's {type(head).__name__} is not known: {_TOLD}"
            )

    def _replace(self, head: Any) -> bool:
        """Put text layers into a head; return whether it has any then."""
        how: dict[str, Any] = {"dim": self._width.dim, "scale": self._width.scale}
        for name in _CONVS:
            conv = getattr(head, name, None)
            if isinstance(conv, nn.Conv2d) and getattr(head, "use_sigmoid_cls", False):
                setattr(head, name, TextConv(conv, head.num_base_priors, prior=_PRIOR, **how))
        if hasattr(head, "cls_branches"):
            made: dict[int, nn.Module] = {}  # a branch may stand in several places
            for index, branch in enumerate(head.cls_branches):
                if id(branch) not in made:
                    made[id(branch)] = TextClassifier(
                        branch.in_features, background=False, prior=_PRIOR, **how
                    )
                head.cls_branches[index] = made[id(branch)]
        if isinstance(layer := getattr(head, "cls_embed", None), nn.Linear):
            head.cls_embed = TextClassifier(layer.in_features, **how)
        return any(isinstance(m, TextLayer) for m in head.modules())

    def ask(self, classes: Tensor) -> None:
        """Let the detector know C classes.

        Args:
            classes: [C, D], unit norm.

        Raises:
            InputError: If their width is not D.
        """
        count, dim = classes.shape
        if dim != self._width.dim:
            raise InputError(f"dim must be the width of the text, {dim}, got {self._width.dim}")
        for layer in self._layers:
            layer.classes = classes
        for head in self._counting:
            _count(head, count)


def _counts(module: nn.Module) -> bool:
    return isinstance(getattr(module, "num_classes", None), int)


def _count(head: Any, count: int) -> None:
    """Write a number of classes wherever a head of mmdet keeps it."""
    head.num_classes = count
    if hasattr(head, "num_things_classes"):
        head.num_things_classes, head.num_stuff_classes = count, 0
    if hasattr(head, "cls_out_channels"):
        head.cls_out_channels = count if head.loss_cls.use_sigmoid else count + 1
    weights = getattr(head, "class_weight", None)
    if isinstance(weights, list | tuple):  # of each class, the background last
        head.class_weight = [1.0] * count + [weights[-1]]
        head.loss_cls.class_weight = head.class_weight


def _changed(detector: nn.Module) -> Iterator[str]:
    """Yield where layers stand that a detector of closed classes has in another shape."""
    for name, module in detector.named_modules():
        if isinstance(module, TextLayer | TextLabels):
            yield f"{name}."
        if getattr(module, "reg_class_agnostic", False):
            yield f"{name}.fc_reg."
        if getattr(module, "class_agnostic", False):
            yield f"{name}.conv_logits."
