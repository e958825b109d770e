"""Videos: frames read ahead, identities, annotated copies."""

from ovdet.video.following import Followed, follow
from ovdet.video.frames import Frame, Frames
from ovdet.video.recording import Recording
from ovdet.video.tracking import Tracker

__all__ = ["Followed", "Frame", "Frames", "Recording", "Tracker", "follow"]
