"""Pictures as mmdet itself prepares them for a test: read off the config, run by its own steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ovdet.structures import InputError, Sample

_READ = ("Annotations", "Proposals")  # steps that want files besides the picture


class PreparedPictures:
    """The steps of a config's test pipeline behind the reading of the file.

    Args:
        config: Of mmdet's kind.
        name: What messages call it.

    Raises:
        InputError: If it has no such pipeline.
    """

    def __init__(self, config: Any, name: str) -> None:
        import mmdet.datasets.transforms  # noqa: F401 - fills the registry
        from mmdet.registry import TRANSFORMS
        from mmengine.registry import DefaultScope

        steps = _test_steps(config)
        if not steps:
            raise InputError(f"{name}: has no test pipeline to prepare pictures by")
        with DefaultScope.overwrite_default_scope("mmdet"):
            self._steps = [
                TRANSFORMS.build(_in_memory(dict(step))) for step in steps if _used(step)
            ]

    def __call__(self, sample: Sample) -> dict[str, Any]:
        """Return the picture as mmdet's data preprocessor takes it, and its record.

        Args:
            sample: A picture of the size it is stored with.

        Raises:
            InputError: If it was resized already.
        """
        size = tuple(sample.image.shape[1:])
        if size != tuple(sample.original_size):
            raise InputError(
                f"pictures must come as they are stored, {list(sample.original_size)} px, "
                f"got {list(size)} in {sample.file_name or sample.image_id}"
            )
        pixels = (sample.image.flip(0) * 255).round().byte().permute(1, 2, 0)
        state: Any = {"img": np.ascontiguousarray(pixels.cpu().numpy()), "img_id": sample.image_id}
        for step in self._steps:
            state = step(state)
        return dict(state)


def _test_steps(config: Any) -> list[Any]:
    for loader in ("test_dataloader", "val_dataloader"):
        dataset = (config.get(loader) or {}).get("dataset")
        while isinstance(dataset, Mapping):
            if dataset.get("pipeline"):
                return list(dataset["pipeline"])
            dataset = dataset.get("dataset") or next(iter(dataset.get("datasets") or ()), None)
    return list(config.get("test_pipeline") or ())


def _used(step: Any) -> bool:
    return not str(step["type"]).endswith(_READ)


def _in_memory(step: dict[str, Any]) -> dict[str, Any]:
    """Return the step, or in place of the reading of a file that of an array."""
    if not str(step["type"]).endswith("LoadImageFromFile"):
        return step
    return {"type": "LoadImageFromNDArray", "to_float32": step.get("to_float32", False)}
