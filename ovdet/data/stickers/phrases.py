"""``stickers-phrases``: sentences, and for every phrase the boxes it stands for.

Each scene shows a few kinds of things several times, so that a name alone does not decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.random import Generator
from PIL import Image

from ovdet.data.stickers.chance import count_between, pick
from ovdet.data.stickers.coco_json import CocoWriter
from ovdet.data.stickers.expressions import Sentence, list_things, name_absent, tell_apart
from ovdet.data.stickers.kin import draw_apart
from ovdet.data.stickers.names import NAMES
from ovdet.data.stickers.scenes import Scene, SceneSpec, render_scene
from ovdet.data.stickers.series import numbered
from ovdet.data.stickers.split import Category
from ovdet.structures import atomic_write

PHRASE_SPEC = SceneSpec(
    side=160,
    objects=(4, 7),
    sizes=(18, 60),
    clutter=(0, 3),
    clutter_sizes=(6, 36),
    recolour=0.0,
    rotation=25,
    brightness=(0.8, 1.2),
    contrast=(0.75, 1.2),
    occlusion=0.3,
    overhang=0.1,
    min_area=48,
    horizon=0.4,
    noise=0.02,
)
"""The difficulty of ``stickers-phrases``."""

_COLOURED = 0.6  # share of the scenes in which every object is given a colour
_KINDS = (3, 4)  # names that the objects of one scene share
_CONTEXTS = 2  # most sentences a scene that tell one thing from its like


def render_repeats(rng: Generator, names: Sequence[str]) -> Scene:
    """Render a scene with several objects of one name; no two names may fit the same thing."""
    kinds: list[str] = []
    for _ in range(count_between(rng, *_KINDS)):
        kinds.append(draw_apart(rng, names, kinds))
    spec = replace(PHRASE_SPEC, recolour=1.0) if rng.random() < _COLOURED else PHRASE_SPEC
    return render_scene(rng, spec, kinds)


def write_sentences(rng: Generator, scene: Scene, names: Sequence[str]) -> list[Sentence]:
    """Write what can be said: a list of things, up to two contexts, something absent.

    Args:
        rng: Source of every choice.
        scene: What is there.
        names: What may be named as absent.
    """
    listed = list_things(rng, scene.objects, scene.backgrounds)
    sentences = [] if listed is None else [listed]
    told = [one for i in range(len(scene.objects)) for one in tell_apart(scene.objects, i)]
    for _ in range(_CONTEXTS):  # of different kinds, each kind as likely
        said = {sentence.kind for sentence in sentences}
        kinds = sorted({one.kind for one in told} - said)
        if kinds:
            kind = pick(rng, kinds)
            sentences.append(pick(rng, [one for one in told if one.kind == kind]))
    return [*sentences, name_absent(rng, scene.objects, names)]


class _PhraseWriter:
    """A COCO file with all objects, and sentences whose phrases name annotations."""

    def __init__(self, categories: Sequence[Category]) -> None:
        self._coco = CocoWriter(categories)
        self._sentences: list[dict[str, Any]] = []

    def add(self, scene: Scene, file_name: str, sentences: Sequence[Sentence]) -> None:
        """Add one image and what is said about it."""
        image_id, ids = self._coco.add(scene, file_name)
        for sentence in sentences:
            phrases = [
                {
                    "annotation_ids": [ids[i] for i in phrase.objects],
                    "end": phrase.end,
                    "start": phrase.start,
                }
                for phrase in sentence.phrases
            ]
            self._sentences.append(
                {
                    "id": len(self._sentences) + 1,
                    "image_id": image_id,
                    "kind": sentence.kind,
                    "phrases": phrases,
                    "text": sentence.text,
                }
            )

    def to_json(self, kind: str | None = None) -> bytes:
        """Return the file, with the sentences of one kind or with all."""
        kept = [item for item in self._sentences if kind in {None, item["kind"]}]
        return self._coco.to_json(more={"sentences": kept})

    def kinds(self) -> set[str]:
        """Return the kinds of sentences there are."""
        return {item["kind"] for item in self._sentences}


def write_phrases(out: Path, seed: int, images: Mapping[str, int]) -> None:
    """Fill a folder with the track; see :class:`ovdet.data.stickers.tracks.Track`.

    Of validation there is one more file for each kind of sentence: ``val_relation.json``.
    """
    categories = [Category(number, name, False) for number, name in enumerate(NAMES, start=1)]
    for split, count in images.items():
        (out / split).mkdir()
        writer = _PhraseWriter(categories)
        for file_name, rng in numbered("stickers-phrases", split, seed, count):
            scene = render_repeats(rng, NAMES)
            Image.fromarray(scene.image).save(out / split / file_name)
            writer.add(scene, file_name, write_sentences(rng, scene, NAMES))
        folder = out / "annotations"
        atomic_write(folder / f"{split}.json", writer.to_json())
        for kind in writer.kinds() if split == "val" else ():
            atomic_write(folder / f"{split}_{kind}.json", writer.to_json(kind))
