"""What mmengine needs to know: configs, runner, loops, hooks, optimizers, checkpoints."""

from ovdet.engine.checkpoints import fill_weights, load_checkpoint, load_weights
from ovdet.engine.config import load_config, parse_options
from ovdet.engine.hooks import CheckpointHook, ImageCounts, ProgressHook
from ovdet.engine.loops import TrainingError, use_table
from ovdet.engine.naming import BoxNaming, CropNaming, proposal_recall
from ovdet.engine.pointing import PointingGame
from ovdet.engine.report import encode_metrics, format_metrics
from ovdet.engine.runner import build_runner

__all__ = [
    "BoxNaming",
    "CheckpointHook",
    "CropNaming",
    "ImageCounts",
    "PointingGame",
    "ProgressHook",
    "TrainingError",
    "build_runner",
    "encode_metrics",
    "fill_weights",
    "format_metrics",
    "load_checkpoint",
    "load_config",
    "load_weights",
    "parse_options",
    "proposal_recall",
    "use_table",
]
