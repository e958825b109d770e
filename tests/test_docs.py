"""Each method folder has a README with paper and slot; each zoo entry says where it comes from."""

import ast
import hashlib

import pytest
import yaml
from contracts import CONFIGS, METHODS, ROOT

from ovdet.engine.proof import find_table, put_table

PROOFS = sorted((ROOT / "configs/methods").glob("*/proof.py"))
FOLDERS = sorted({path.parent for path in CONFIGS})
ENTRIES = sorted((ROOT / "model_zoo").glob("*.yml"))


def read_entry(entry):
    return yaml.safe_load(entry.read_text(encoding="utf-8"))


RELEASED = [entry for entry in ENTRIES if "format" in read_entry(entry)]  # others' models
OWN = [entry for entry in ENTRIES if entry not in RELEASED]
RELEASED_FIELDS = {"name", "about", "format", "licence", "use", "tasks", "figures", "paper"}
FIELDS = {"name", "config", "weights", "sha256", "licence", "data", "command"}


def test_there_is_something_to_hold():
    assert {folder.name for folder in FOLDERS} >= {"clip", "vild"}
    assert "ovdet-tiny" in {entry.stem for entry in ENTRIES}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_method_has_readme_paper_and_slots(folder):
    text = (folder / "README.md").read_text(encoding="utf-8").lower()
    assert "arxiv.org/abs/" in text, "the README must link the paper"
    assert "slot" in text, "the README must name the slots that the method fills"
    assert "python tools/" in text, "the README must give a command"


@pytest.mark.parametrize("path", PROOFS, ids=lambda path: path.parent.name)
def test_each_readme_has_a_place_for_what_the_proof_prints(path):
    readme = path.with_name("README.md")
    text = put_table(readme.read_text(encoding="utf-8"), "| printed |", str(readme))
    assert find_table(text) == "| printed |"


def test_the_collected_tables_are_those_of_the_readmes():
    collected = (ROOT / "configs/methods/README.md").read_text(encoding="utf-8")
    for path in PROOFS:
        table = find_table(path.with_name("README.md").read_text(encoding="utf-8"))
        expected = table or f"Not run yet: `python tools/prove.py {path.parent.name} --write`."
        assert f"({path.parent.name}/README.md)\n\n{expected}\n" in collected, (
            "python tools/prove.py --all"
        )


@pytest.mark.parametrize("slug", METHODS)
def test_each_method_module_opens_with_paper_and_slot(slug):
    path = ROOT / f"ovdet/methods/{slug}.py"
    if not path.exists():
        path = ROOT / f"ovdet/methods/{slug}/__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "https://arxiv.org/abs/" in text
    assert "Slot" in text


@pytest.mark.parametrize("slug", METHODS)
def test_class_names_open_with_the_slug(slug):
    for path in (ROOT / "ovdet/methods").glob(f"{slug}*/**/*.py"):
        check_names(path, slug)
    if (single := ROOT / f"ovdet/methods/{slug}.py").exists():
        check_names(single, slug)


def check_names(path, slug):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert node.name.lower().startswith(slug.replace("_", "").replace("-", ""))


@pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.stem)
def test_each_zoo_entry_is_whole(entry):
    record = read_entry(entry)
    assert set(record) >= FIELDS
    assert record["name"] == entry.stem
    assert (ROOT / record["config"]).exists()
    weights = entry.parent / record["weights"]
    assert weights.suffix == ".safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == record["sha256"]


@pytest.mark.parametrize("entry", RELEASED, ids=lambda entry: entry.stem)
def test_each_released_model_says_where_it_is_and_on_which_terms(entry):
    record = read_entry(entry)
    assert set(record) >= RELEASED_FIELDS
    assert record["name"] == entry.stem
    assert len({"hub", "url", "page"} & set(record)) == 1
    assert not entry.with_suffix(".safetensors").exists()


def test_the_zoo_stays_small():
    size = sum(path.stat().st_size for path in (ROOT / "model_zoo").glob("*.safetensors"))
    assert 0 < size <= 25_000_000


def test_no_weights_without_an_entry():
    weights = {path.stem for path in (ROOT / "model_zoo").glob("*.safetensors")}
    assert weights <= {entry.stem for entry in ENTRIES}
