"""A config and a checkpoint of mmdet's, as they are, to a detector that is ready for pictures."""

from pathlib import Path

from ovdet.adapters.mmdet.detector import MmdetDetector

PREFIX = "mmdet:"


def load_mmdet(name: str, checkpoint: Path) -> MmdetDetector:
    """Build what a config describes and fill it.

    Pictures go through the config's own test pipeline. Names are those the checkpoint comes with,
    else those of the config's data set.

    Args:
        name: ``mmdet:FILE.py``, or ``mmdet::folder/file.py`` for a config that mmdet brings along.
        checkpoint: mmdet's weights; nothing in the file is run.

    Raises:
        InputError: If mmdet is not installed, the config is not one, the file is damaged or holds
            another model's weights, or the class names are not known.
    """
    config = name if name.startswith(f"{PREFIX}:") else name.removeprefix(PREFIX)
    return MmdetDetector(config, weights=str(checkpoint), as_tested=True)
