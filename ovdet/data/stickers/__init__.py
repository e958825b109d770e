"""Stickers: a rendered world with real nouns, exact masks and true captions."""

from ovdet.data.stickers.captions import CaptionSample, CaptionStream
from ovdet.data.stickers.names import HELD_OUT, NAMES, STICKERS
from ovdet.data.stickers.scenes import Placed, Scene, SceneSpec, render_scene
from ovdet.data.stickers.sprites import find_font, sprite
from ovdet.data.stickers.tracks import TRACKS, write_track

__all__ = [
    "HELD_OUT",
    "NAMES",
    "STICKERS",
    "TRACKS",
    "CaptionSample",
    "CaptionStream",
    "Placed",
    "Scene",
    "SceneSpec",
    "find_font",
    "render_scene",
    "sprite",
    "write_track",
]
