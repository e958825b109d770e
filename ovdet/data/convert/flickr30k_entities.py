"""Flickr30k Entities: the phrases of five captions an image, tied to boxes.

Plummer et al., "Flickr30k Entities", IJCV 2017, https://arxiv.org/abs/1505.04870; the formats are
described in BryanPlummer/flickr30k_entities, README.md.
"""

import re
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ovdet.data.convert.instances import check_counts
from ovdet.data.convert.maps import read_list
from ovdet.data.convert.output import Output
from ovdet.data.convert.voc import box_of, image_of, read_xml
from ovdet.structures import InputError

COUNTS = {
    "train": {"images": 29_783, "sentences": 148_915},
    "val": {"images": 1_000, "sentences": 5_000},
    "test": {"images": 1_000, "sentences": 5_000},
}
"""Images of the authors' lists, with five sentences each."""

_PHRASE = re.compile(r"\[/EN#(\d+)((?:/[^\s/\]]+)+) ([^\]]*)\]")

Phrase = tuple[int, int, str]  # first character, the one after the last, chain id


def convert_flickr30k_entities(source: Path, output: Output, *, partial: bool = False) -> None:
    """Write ``train.json``, ``val.json`` and ``test.json``, for ``PhraseDataset``.

    A phrase that has no box in its image (a scene, an abstraction) is left out: the measure of the
    data set does not ask for it either. Images are ``<id>.jpg``.

    Args:
        source: The folder with ``Annotations``, ``Sentences``, ``train.txt``, ``val.txt`` and
            ``test.txt``.
        output: Where to.
        partial: Accept a part of the data.

    Raises:
        InputError: If a file is missing, damaged or not what was published.
    """
    found = False
    for split, counts in COUNTS.items():
        listed = source / f"{split}.txt"
        if partial and not listed.exists():
            continue
        record = _read(source, read_list(listed), split)
        numbers = {key: len(record[key]) for key in ("images", "sentences", "annotations")}
        check_counts(listed, numbers, counts, partial=partial)
        numbers["phrases"] = sum(len(sentence["phrases"]) for sentence in record["sentences"])
        output.json(f"{split}.json", record, numbers)
        found = True
    if not found:
        raise InputError(f"{source}: holds no train.txt, val.txt or test.txt")


def _read(source: Path, names: list[str], split: str) -> dict[str, list[Any]]:
    images: list[Any] = []
    annotations: list[Any] = []
    sentences: list[Any] = []
    for name in tqdm(names, desc=split, disable=None, leave=False):
        number = int(name) if name.isdigit() else len(images) + 1
        place = source / "Annotations" / f"{name}.xml"
        root = read_xml(place)
        images.append(image_of(root, number, f"{name}.jpg"))
        chains: dict[str, list[int]] = {}
        for item in root.iter("object"):
            if item.find("bndbox") is None:
                continue
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": 1}
            annotations.append(entry | box_of(item, str(place)))
            for chain in item.findall("name"):
                chains.setdefault(chain.text or "", []).append(len(annotations))
        for line in read_list(source / "Sentences" / f"{name}.txt"):
            text, phrases = parse_sentence(line)
            tied = [
                {"start": start, "end": end, "annotation_ids": chains[chain]}
                for start, end, chain in phrases
                if chain in chains
            ]
            facts = {"id": len(sentences) + 1, "image_id": number}
            sentences.append(facts | {"text": text, "phrases": tied})
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "object"}],
        "sentences": sentences,
    }


def parse_sentence(line: str) -> tuple[str, list[Phrase]]:
    """Return a sentence without its marks, and its phrases.

    Args:
        line: As the data set has it: ``[/EN#12/people A man] sits on [/EN#13/other a chair] .``
    """
    text, phrases, last = "", [], 0
    for match in _PHRASE.finditer(line):
        text += line[last : match.start()]
        chain, words = match[1], match[3].strip()
        if words:
            phrases.append((len(text), len(text) + len(words), chain))
        text += words
        last = match.end()
    return text + line[last:], phrases
