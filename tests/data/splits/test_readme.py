"""The page of the protocols says what the files are."""

import hashlib
import importlib.util
import re
from pathlib import Path

import pytest

from ovdet.data.convert import CONVERSIONS
from ovdet.data.splits import names, vocabulary

PAGE = Path(__file__).parents[3] / "configs/base/datasets/README.md"
FOLDER = Path(importlib.util.find_spec("ovdet.data.splits").origin).parent
TEXT = PAGE.read_text(encoding="utf-8")
OF_ALL = {"Vocabularies", "Commands", "Formats and data sets", "Results of other libraries"}
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


def test_there_are_protocols():
    assert len(SECTIONS) >= 10
    assert "OV-COCO, 48 / 17" in SECTIONS
