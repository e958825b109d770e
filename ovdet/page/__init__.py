"""The page: drop a picture, name what to look for, see it."""

from ovdet.page.serving import build, start, wait
from ovdet.page.shelf import Shelf, present

__all__ = ["Shelf", "build", "present", "start", "wait"]
