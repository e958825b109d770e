"""The page of the protocols says what the files are."""

import hashlib
import importlib.util
import re
from pathlib import Path

import pytest

from ovdet.data.convert import (
    CONVERSIONS,
    ade20k,
    cityscapes,
    coco_captions,
    coco_ov,
    cocostuff,
    context,
    flickr30k_entities,
    lvis_ov,
    refcoco,
    voc,
)
from ovdet.data.splits import names, vocabulary
from ovdet.evaluation.protocols import PROTOCOLS

PAGE = Path(__file__).parents[3] / "configs/base/datasets/README.md"
FOLDER = Path(importlib.util.find_spec("ovdet.data.splits").origin).parent
TEXT = PAGE.read_text(encoding="utf-8")
OF_ALL = {
    "Vocabularies",
    "Commands",
    "Counts",
    "Formats and data sets",
    "Results of other libraries",
}
SECTIONS = {
    title: body
    for title, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", TEXT, flags=re.MULTILINE)
    if title not in OF_ALL
}


@pytest.mark.parametrize("name", names())
def test_a_vocabulary_has_its_row_and_hash(name):
    rows = re.findall(rf"^\| `{name}` \| (\d+) \| .* \| `([0-9a-f]+)` \|$", TEXT, re.MULTILINE)
    digest = hashlib.sha256((FOLDER / f"{name}.json").read_bytes()).hexdigest()
    assert rows == [(str(len(vocabulary(name))), digest[:12])]


@pytest.mark.parametrize("name", sorted(CONVERSIONS))
def test_a_conversion_is_named(name):
    assert f"`{name}`" in TEXT or f"tools/convert.py {name}" in TEXT


@pytest.mark.parametrize("title", sorted(SECTIONS))
def test_a_protocol_says_what_files_command_rows_and_pitfalls(title):
    parts = re.findall(r"^\*\*(\w+)\.\*\*", SECTIONS[title], flags=re.MULTILINE)
    assert parts == ["What", "Files", "Command", "Rows", "Pitfalls"]
    assert "tools/" in SECTIONS[title]


@pytest.mark.parametrize("name", sorted(set(PROTOCOLS) - {"coco", "lvis"}))
def test_a_protocol_of_the_tool_has_its_place(name):
    """COCO's and LVIS's own rules are those of OV-COCO and OV-LVIS."""
    assert any(f"--protocol {name}" in body for body in SECTIONS.values())
    assert f"`{name}`" in TEXT


IMAGES = {118_287, 5_000}  # of COCO; its captions' row does not say them again


def counts():
    """Every number that a conversion checks, by its name."""
    rows = {
        "coco-ov": coco_ov.COUNTS.values(),
        "lvis-ov": lvis_ov.COUNTS.values(),
        "voc": [*voc.BOXES["VOC2007"].values(), *voc.BOXES["VOC2012"].values()],
        "coco-captions": coco_captions.COUNTS.values(),
        "refcoco": refcoco.COUNTS.values(),
        "ade20k": ade20k.COUNTS.values(),
        "context": [context.COUNTS],
        "cocostuff": [cocostuff.COUNTS],
        "cityscapes": [cityscapes.COUNTS],
    }
    yield from ((name, n) for name, listed in rows.items() for row in listed for n in row.values())
    yield from (("voc", n) for _, n in voc.MAPS.values())
    yield from (("flickr30k-entities", row["images"]) for row in flickr30k_entities.COUNTS.values())


def test_the_page_has_every_count_that_is_checked():
    body = TEXT.split("\n## Counts\n")[1].split("\n## ")[0]
    rows = [line for line in body.splitlines() if line.startswith("| `")]
    for name, number in counts():
        told = " ".join(row for row in rows if f"`{name}`" in row.split("|")[1])
        assert f"{number:,}" in told or number in {80, 1203, *IMAGES}, (name, number)
    assert all(row.split("|")[3].strip() for row in rows)


def test_there_are_protocols():
    assert len(SECTIONS) >= 10
    assert "OV-COCO, 48 / 17" in SECTIONS
