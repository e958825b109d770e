"""New classes for a finished model from a few pictures, and what it forgot meanwhile."""

from ovdet.finetuning.plan import HOW, Plan
from ovdet.finetuning.retention import Held, HeldOut
from ovdet.finetuning.running import finetune

__all__ = ["HOW", "Held", "HeldOut", "Plan", "finetune"]
