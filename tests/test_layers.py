"""A package imports only from smaller numbers, never its equals; heavy packages come late."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "registry": 0,
    "structures": 1,
    "ops": 2,
    "text": 3,
    "vision": 3,
    "losses": 3,
    "data": 3,
    "evaluation": 3,
    "heads": 4,
    "methods": 5,
    "recognizers": 5,
    "detectors": 5,
    "segmentors": 5,
    "engine": 6,
    "adapters": 6,
    "apis": 7,
    "checkup": 8,
    "export": 8,
    "finetuning": 8,
    "labelling": 8,
    "serving": 8,
    "video": 8,
    "page": 9,
    "cli": 10,
    "__main__": 11,
}
ASSEMBLIES = {"recognizers", "detectors", "segmentors"}
HEAVY = {"open_clip", "transformers", "mmdet"}
FILES = sorted((ROOT / "ovdet").rglob("*.py"))
INNER = [path for path in FILES if path != ROOT / "ovdet/__init__.py"]


def imports(tree):
    """Yield (module, names, node) of every import below a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, [], node
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", [alias.name for alias in node.names], node


def top_level(tree):
    """Yield the modules whose import runs with the module itself."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (module for module, _, _ in imports(ast.Module([node], [])))
        waiting.extend(ast.iter_child_nodes(node))


def package_of(path):
    return path.relative_to(ROOT / "ovdet").with_suffix("").parts[0]


def own_packages(tree):
    """Yield the ovdet packages that a module imports."""
    for module, names, _ in imports(tree):
        parts = module.split(".")
        if parts[0] != "ovdet":
            continue
        yield from parts[1:2] or names


def identify(path):
    return str(path.relative_to(ROOT))


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def breaches(package, tree):
    """Return the packages that a module of ``package`` may not import, but does."""
    return [
        other
        for other in own_packages(tree)
        if other != package and LAYERS.get(other, 99) >= LAYERS[package]
    ]


def test_every_package_has_a_layer():
    found = {package_of(path) for path in INNER}
    assert found == set(LAYERS) & found
    assert {"registry", "structures", "ops", "text", "vision", "detectors", "apis"} <= found


@pytest.mark.parametrize("path", INNER, ids=identify)
def test_imports_point_down(path):
    package = package_of(path)
    wrong = breaches(package, parse(path))
    assert not wrong, f"ovdet.{package} (layer {LAYERS[package]}) imports {wrong}"


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_imports_are_absolute(path):
    relative = [n.lineno for _, _, n in imports(parse(path)) if getattr(n, "level", 0)]
    assert not relative


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_heavy_packages_come_late(path):
    heavy = {module.split(".")[0] for module in top_level(parse(path))} & HEAVY
    if package_of(path) == "adapters":
        heavy -= {"mmdet"}
    assert not heavy, f"imported at the top: {heavy}"


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_only_the_adapters_import_mmdet(path):
    named = {module.split(".")[0] for module, _, _ in imports(parse(path))}
    assert "mmdet" not in named or package_of(path) == "adapters"


def test_assemblies_name_no_method():
    methods = {p.stem for p in (ROOT / "ovdet/methods").iterdir() if not p.name.startswith("_")}
    classes = {
        node.name
        for path in (ROOT / "ovdet/methods").rglob("*.py")
        for node in parse(path).body
        if isinstance(node, ast.ClassDef)
    }
    assert methods, "no method was found, so nothing was checked"
    assert classes, "no class of a method was found, so nothing was checked"
    for path in INNER:
        if package_of(path) in ASSEMBLIES:
            words = {
                getattr(n, "id", getattr(n, "value", None))
                for n in ast.walk(parse(path))
                if isinstance(n, ast.Name | ast.Constant)
            }
            assert not words & (methods | classes), f"{identify(path)} names a method"


def test_the_front_door_imports_nothing_of_its_own_house():
    own = [m for m in top_level(parse(ROOT / "ovdet/__init__.py")) if m.startswith("ovdet")]
    assert not own


@pytest.mark.parametrize(
    ("package", "line", "wrong"),
    [
        ("ops", "from ovdet.heads import BoxHead", ["heads"]),
        ("text", "import ovdet.vision.clip", ["vision"]),
        ("methods", "def f():\n    from ovdet.detectors import TwoStage", ["detectors"]),
        ("heads", "from ovdet import apis", ["apis"]),
        ("ops", "from ovdet import load", ["load"]),
        ("heads", "from ovdet.heads.boxes import BoxHead\nfrom ovdet.ops import box_iou", []),
    ],
)
def test_a_breach_is_seen(package, line, wrong):
    assert breaches(package, ast.parse(line)) == wrong


def test_an_early_import_is_seen():
    code = "class A:\n    import transformers\ntry:\n    import mmdet.apis\nfinally:\n    pass"
    assert set(top_level(ast.parse(code))) == {"transformers", "mmdet.apis"}
    assert not set(top_level(ast.parse("def f():\n    import transformers")))
