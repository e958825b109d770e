import pytest

from ovdet.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS, BuildError, build

MADE = []


class Leaf:
    def __init__(self, size: int = 1, *, color: str = "red"):
        if size < 0:
            raise ValueError(f"size must be >= 0, got {size}")
        self.size = size
        self.color = color
        MADE.append(self)


class Tree:
    def __init__(self, objectives, teacher=None, extra=None):
        self.objectives = objectives
        self.teacher = teacher
        self.extra = extra
        MADE.append(self)


class Needy:
    def __init__(self, teacher):
        self.teacher = teacher


class Open:
    def __init__(self, **options):
        self.options = options


@pytest.fixture(autouse=True)
def _parts():
    MADE.clear()
    for part in (Leaf, Tree, Needy, Open):
        MODELS.register_module(module=part, name=f"Test{part.__name__}")
    yield
    for part in (Leaf, Tree, Needy, Open):
        MODELS.module_dict.pop(f"Test{part.__name__}")


def leaf(**options):
    return {"type": "TestLeaf", **options}


def test_children_are_built_before_parents():
    config = {
        "type": "TestTree",
        "objectives": [leaf(size=2), {"type": "TestNeedy", "teacher": leaf(size=3)}],
        "extra": {"a": (leaf(size=4), 7)},
    }
    tree = build(config, "model")
    assert isinstance(tree, Tree)
    assert [one.size for one in MADE[:-1]] == [2, 3, 4]
    assert MADE[-1] is tree
    assert tree.objectives[1].teacher is MADE[1]
    assert isinstance(tree.extra["a"], tuple)
    assert tree.extra["a"][1] == 7


def test_the_config_is_left_as_it_was():
    config = {"type": "TestTree", "objectives": [leaf()]}
    build(config, "model")
    build(config, "model")
    assert config == {"type": "TestTree", "objectives": [leaf()]}


@pytest.mark.parametrize("value", [3, None, "TestLeaf", [1, (2, "x")], {"a": {"b": 1}}])
def test_plain_values_pass(value):
    assert build(value, "model") == value


def test_a_class_can_stand_for_its_name():
    assert isinstance(build({"type": Leaf}, "model"), Leaf)


def test_mmengine_config_dicts_build():
    from mmengine.config import ConfigDict

    tree = build(ConfigDict({"type": "TestTree", "objectives": [leaf(size=5)]}), "model")
    assert tree.objectives[0].size == 5


def test_any_option_goes_to_var_keywords():
    assert build({"type": "TestOpen", "a": 1}, "model").options == {"a": 1}


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (
            {"type": "TestLaef"},
            r"^model\.objectives\[0\]\.teacher: unknown type 'TestLaef'; did you mean 'TestLeaf'\?",
        ),
        ({"type": "Qqqqqq"}, r"^model\.objectives\[0\]\.teacher: unknown type 'Qqqqqq'$"),
        (
            leaf(colour="red"),
            r"teacher: Leaf has no option 'colour'; did you mean 'color'\?",
        ),
        ({"type": "TestNeedy"}, r"teacher: Needy needs the key 'teacher', which is missing"),
        (leaf(size=-1), r"teacher: Leaf: size must be >= 0, got -1"),
        (leaf(size="big"), r"teacher: Leaf: '<' not supported"),
    ],
)
def test_errors_name_the_path(inner, message):
    config = {"type": "TestTree", "objectives": [{"type": "TestNeedy", "teacher": inner}]}
    with pytest.raises(BuildError, match=message):
        build(config, "model")


def test_the_path_is_named_once():
    config = {"type": "TestTree", "objectives": [{"type": "TestNeedy", "teacher": leaf(size=-1)}]}
    with pytest.raises(BuildError) as caught:
        build(config, "model")
    assert str(caught.value).count("model") == 1
    assert isinstance(caught.value.__cause__, ValueError)


def test_five_registries():
    names = {registry.name for registry in (MODELS, DATASETS, TRANSFORMS, METRICS, HOOKS)}
    assert names == {"models", "datasets", "transforms", "metrics", "hooks"}
