import json

import numpy as np
import pytest

from ovdet.data.streams import read_sections
from ovdet.structures import InputError


def read(path, chunk=1 << 22):
    """Put the sections together again."""
    record = {}
    for section in read_sections(path, chunk=chunk):
        values = [value for value, _ in section.entries]
        record[section.key] = values if section.listed else values[0]
    return record


def random_value(rng, depth=0):
    kind = rng.integers(5 if depth > 2 else 7)
    if kind == 5:
        return [random_value(rng, depth + 1) for _ in range(rng.integers(4))]
    if kind == 6:
        return {str(i): random_value(rng, depth + 1) for i in range(rng.integers(4))}
    simple = [
        int(rng.integers(-(10**12), 10**12)),
        float(rng.normal()) * 10.0 ** float(rng.integers(-20, 20)),
        'a "quote", ]}{[ a \\ and \u00e9\U0001f600'[: rng.integers(30)],
        [True, False, None][rng.integers(3)],
        [12, "", 0][rng.integers(3)],
    ]
    return simple[kind]


@pytest.mark.parametrize("seed", range(30))
def test_any_object_is_read_as_json_reads_it_however_it_is_cut(tmp_path, seed):
    rng = np.random.default_rng(seed)
    record = {f"key {i}": random_value(rng) for i in range(rng.integers(6))}
    path = tmp_path / "a.json"
    indent = [None, 1][seed % 2]
    path.write_text(json.dumps(record, ensure_ascii=bool(seed % 3), indent=indent))
    for chunk in (1, 2, 7, 1 << 22):
        assert read(path, chunk) == record


def test_an_entry_comes_with_its_own_text(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [ {"x":  1.50},[2 ] , 3], "b": 4.0}')
    found = {s.key: [text for _, text in s.entries] for s in read_sections(path, chunk=3)}
    assert found == {"a": ['{"x":  1.50}', "[2 ]", "3"], "b": ["4.0"]}


def test_what_is_not_read_is_passed_over(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, [2, 3], {"b": 4}], "c": 5}')
    assert [section.key for section in read_sections(path, chunk=1)] == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must be a JSON object: '\{' \(character 0\)"),
        ("[1]", r"'\{' \(character 0\)"),
        ('{"a": 1', r"'\}' \(character 7\)"),
        ('{"a": [1, 2', r"'\]' \(character 11\)"),
        ('{"a": [1, {"b": 2}', r"'\]' \(character 18\)"),
        ('{"a": [1, {"b": 2', r"\(character 10\)"),
        ('{"a" 1}', r"':' \(character 5\)"),
        ("{1: 2}", r"a key in quotes"),
        ('{"a": [1,]}', r"Expecting value \(character 9\)"),
        ('{"a": 1} 2', r"nothing after the object \(character 9\)"),
        ('{"a": ' + "[" * 100_000, "less deeply nested"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 22])
def test_damage_is_named_with_its_place(tmp_path, text, message, chunk):
    if chunk == 1 and len(text) > 1000:
        chunk = 1000
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read(path, chunk)


def test_a_file_that_is_no_text_or_not_there(tmp_path):
    with pytest.raises(InputError, match=r"a\.json: cannot be read: No such file"):
        read(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match=r"b\.json: must be UTF-8 text"):
        read(tmp_path / "b.json")
