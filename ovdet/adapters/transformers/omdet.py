"""OmDet-Turbo: transformers' module, whose task is a sentence that lists the names.

Zhao et al., "Real-time Transformer-based Open-Vocabulary Detection with Efficient Fusion Head",
https://arxiv.org/abs/2403.06892. The task sees the queries, so names change each other's scores.
Names that fit into one task stand there in the order given, as transformers' processor writes
them. Others are cut, in alphabetical order, into tasks that fit: their order in the vocabulary
changes nothing then. Pictures pass the backbone and the encoder once, names and tasks the text
tower once. Shapes: B images of one size, Q queries, C names of a task, L tokens, D width.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ovdet.adapters.transformers.folder import Folder
from ovdet.adapters.transformers.fused import FusedDetector
from ovdet.adapters.transformers.kept_tasks import KeptTasks
from ovdet.adapters.transformers.pictures import Inputs
from ovdet.ops import from_centre_side
from ovdet.structures import InputError
from ovdet.text import clean_names

_CLASS = "OmDetTurboForObjectDetection"
_PROCESSOR = "DetrImageProcessor"
_CONTEXT = 77  # tokens that the processor leaves of a text
_THRESHOLD, _NMS = 0.3, 0.5  # those of transformers' own post-processing


class Tasks:
    """Writes names into tasks that a tower can read.

    Args:
        tokenizer: transformers' tokenizer.
        most: Most tokens of a task, the two markers included.
    """

    def __init__(self, tokenizer: Any, most: int) -> None:
        self.tokenizer = tokenizer
        self.most = most
        self._lead = self._count(["Detect"])[0] + 2  # and the markers

    def cut(self, names: Sequence[str]) -> list[list[int]]:
        """Return the rows of C names, those of a task together.

        Raises:
            InputError: If a name has more words than a task can hold.
        """
        sizes = self._count([f"{name}," for name in names])
        for name, size in zip(names, sizes, strict=True):
            if self._lead + size > self.most:
                raise InputError(
                    f"the text tower reads {self.most} tokens, class {name!r} needs "
                    f"{self._lead + size}"
                )
        if self._lead + sum(sizes) <= self.most:
            return [list(range(len(names)))]
        tasks: list[list[int]] = []
        used = self.most
        for row in sorted(range(len(names)), key=names.__getitem__):
            if used + sizes[row] > self.most:
                tasks.append([])
                used = self._lead
            tasks[-1].append(row)
            used += sizes[row]
        return tasks

    def _count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text is, without markers."""
        ids = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [len(own) for own in ids]


class OmdetDetector(FusedDetector):
    """Finds names by a task that lists them.

    Args:
        model: transformers' module.
        tokenizer: transformers' tokenizer.
        processor: transformers' image processor.
        context: Most tokens of a text.
        threshold: Least score of an object shown when the user names none.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        processor: Any,
        context: int = _CONTEXT,
        threshold: float = _THRESHOLD,
    ) -> None:
        super().__init__(processor, threshold, _NMS)
        self.model: Any = model
        parts: Any = model
        parts.language_backbone = KeptTasks(parts.language_backbone, tokenizer, context)
        self.tasks = Tasks(tokenizer, context)

    @property
    def encoded(self) -> int:
        """Names and tasks that went through the text tower so far."""
        return int(self.model.language_backbone.encoded)

    def questions(self, names: Sequence[str]) -> list[tuple[list[int], list[str]]]:
        """Return the names of each task, with their rows."""
        words = clean_names(names)
        return [(rows, [words[row] for row in rows]) for rows in self.tasks.cut(words)]

    def look(self, inputs: Inputs) -> Any:
        """Return the levels that the encoder makes of pictures."""
        maps = self.model.vision_backbone(inputs["pixel_values"])
        return self.model.encoder(maps, return_dict=True).extracted_states

    def ask(self, seen: Any, question: list[str]) -> tuple[Tensor, Tensor]:
        """Return boxes [B, Q, 4], xyxy, in parts of the picture, and scores [B, Q, C]."""
        batch = len(seen[0])
        text: KeptTasks = self.model.language_backbone
        classes = text.classes(question)[:, None].expand(-1, batch, -1)
        task, mask = text.task(f"Detect {', '.join(question)}.")
        said = self.model.decoder(
            seen,
            classes,
            task.expand(-1, batch, -1),
            mask.expand(batch, -1),
            return_dict=True,
        )
        boxes = from_centre_side(said.decoder_coords[-1].float())
        scores: Tensor = said.decoder_classes[-1].float().sigmoid()
        return boxes, scores


def build_omdet(folder: Folder) -> OmdetDetector:
    """Return the detector of a folder, whose pictures are stretched to a square."""
    side = folder.facts.image_size
    size = {"height": side, "width": side} if isinstance(side, int) else dict(_sides(side))
    processor = folder.pictures(_PROCESSOR, size=size, do_pad=False)
    context = min(_CONTEXT, folder.facts.text_config.max_position_embeddings)
    return OmdetDetector(folder.load(_CLASS), folder.tokenizer(), processor, context)


def _sides(sides: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(("height", "width"), sides, strict=True))
