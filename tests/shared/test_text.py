import json
import re
from pathlib import Path

import pytest

from ovdet.structures import Vocabulary
from ovdet.text import clean_names, load_templates

TABLES = Path(__file__).parents[3] / "shared" / "methods" / "vocab"
pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason="the folder of tables is not here")


def rows():
    return json.loads((TABLES / "lvis_v1.json").read_text())["rows"]


def test_lvis_names_stay_apart_by_keeping_five_pairs_of_qualifiers():
    names = [row[1] for row in rows()]
    dropped = [re.sub(r"_?\(.*\)", "", name) for name in names]
    cleaned = clean_names(names)
    assert len(names) == 1203
    assert len(set(dropped)) == 1203 - 5
    assert len(set(cleaned)) == 1203
    assert all(cleaned)
    kept = [c for n, c in zip(names, cleaned, strict=True) if "(" in n and c.split()[0] == "bow"]
    assert kept == ["bow weapon", "bow decorative ribbons"]


def test_lvis_words_do_not_merge_classes():
    table = rows()
    synonyms = tuple(tuple(s for s in row[5] if s != row[1]) for row in table)
    words = Vocabulary(tuple(row[1] for row in table), synonyms=synonyms).words()
    raw = list(dict.fromkeys(word for group in words for word in group))
    cleaned = dict(zip(raw, clean_names(raw), strict=True))
    owners = {}
    for i, group in enumerate(words):
        for word in group:
            owners.setdefault(cleaned[word], set()).add(i)
    assert [word for word, classes in owners.items() if len(classes) > 1] == []


def test_vild63_is_the_published_list_with_its_lead_in():
    published = json.loads((TABLES / "templates.json").read_text())["vild_63"]
    led_in = [f"This is {t}" if t.startswith(("a", "the")) else t for t in published]
    assert list(load_templates("vild63")) == led_in
