"""Versions, what packages ask of each other, and imports that fail, on packages made for it."""

import sys

import pytest
from packaging.requirements import Requirement

from ovdet.checkup import NOTE, WRONG, fixes, packages

PIP = f"{sys.executable} -m pip install "


def look(line, *others):
    wanted = Requirement(line)
    return list(packages.look_at(wanted, [wanted, *map(Requirement, others)]))


def test_a_package_that_is_as_asked(install):
    install("fit_one", "1.5", code="")
    (found,) = look("fit_one>=1.2,<2")
    assert (found.said, found.fix) == ("1.5, asked <2,>=1.2", "")


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_a_version_that_was_not_asked_for(install, version):
    install("fit_two", version, code="")
    (found,) = look("fit_two>=1.2,<2")
    assert found.state == WRONG
    assert found.said == f"{version}, asked <2,>=1.2"
    assert found.fix == f"{PIP}'fit_two<2,>=1.2'"


def test_a_package_that_is_missing():
    (found,) = look("no_such_package_here>=1")
    assert (found.state, found.said) == (WRONG, "missing, asked >=1")
    assert found.fix == f"{PIP}'no_such_package_here>=1'"


def test_packages_that_do_not_agree_are_told_before_they_are_imported(install):
    """As torchvision, which was compiled against exactly one torch."""
    install("pair_vision", "0.27", asks=["pair_torch==2.12", 'other; extra == "x"'], code="1 / 0")
    install("pair_torch", "2.11", code="")
    (found,) = look("pair_vision>=0.19", "pair_torch>=2.4")
    assert found.said == "0.27 asks for pair_torch==2.12, found 2.11"
    assert found.fix in {f"{PIP}'pair_torch{both}'" for both in ("==2.12,>=2.4", ">=2.4,==2.12")}


def test_what_broke_is_mended_and_not_what_was_imported(install):
    install("top_part", "1.0", code="import low_part")
    install("low_part", "3.1", code="raise RuntimeError('operator\\nis gone')")
    (found,) = look("top_part", "low_part>=3")
    assert found.said == "1.0, but importing top_part fails: RuntimeError: operator is gone"
    assert found.fix == f"{PIP}--force-reinstall --no-deps low_part==3.1"


def test_what_an_import_lacks_is_installed(install):
    install("lacking", "1.0", code="import no_such_module.part")
    assert look("lacking")[0].fix == f"{PIP}no_such_module"
    assert look("lacking", "no-such-module>=4")[0].fix == f"{PIP}'no-such-module>=4'"


def test_a_library_of_the_system_is_named_by_its_package(install, monkeypatch):
    monkeypatch.setattr(fixes.shutil, "which", lambda _: "/usr/bin/apt-get")
    monkeypatch.setattr(fixes.os, "geteuid", lambda: 0)
    said = "libGL.so.1: cannot open shared object file: No such file or directory"
    install("seeing", "1.0", code=f"raise ImportError({said!r})")
    assert look("seeing")[0].fix == "apt-get update && apt-get install -y libgl1"
    monkeypatch.setattr(fixes.os, "geteuid", lambda: 1000)
    assert look("seeing")[0].fix.count("sudo apt-get") == 2
    monkeypatch.setattr(fixes.shutil, "which", lambda _: None)
    assert look("seeing")[0].fix == "install the system's package for what Debian calls libgl1"


def test_another_package_may_stand_in(install, monkeypatch):
    monkeypatch.setitem(packages._STAND_INS, "seen_one", ("seen_one_headless",))
    install("seen_one_headless", "4.11")
    monkeypatch.setitem(sys.modules, "seen_one", sys)
    (found,) = look("seen_one>=4.10")
    assert found.said == "4.11, asked >=4.10"


def test_extras(install, monkeypatch):
    install("extra_one", "1.0")
    install("extra_old", "0.1")
    extras = {"whole": ["extra_one>=1"], "part": ["extra_one", "no_such"], "old": ["extra_old>=1"]}
    project = packages.Project("", [], {k: [*map(Requirement, v)] for k, v in extras.items()})
    monkeypatch.setattr(packages, "read_project", lambda: project)
    old, part, whole = packages.look_at_extras()
    assert (old.state, old.said) == (WRONG, "0.1, asked >=1")
    assert (part.state, part.said) == (NOTE, "not installed: no_such")
    assert part.fix == f"{PIP}-e '{fixes.checkout()}[part]'"
    assert (whole.name, whole.said) == ("whole", "extra_one 1.0")


def test_the_record_of_an_installed_ovdet_says_the_same(monkeypatch, install):
    """Where there is no ``pyproject.toml`` beside the package, pip's record is read."""
    monkeypatch.setattr(fixes, "checkout", lambda: None)
    install("ovdet", "9", asks=["torch>=2.4", 'gradio>=6,<7; extra == "app"'])
    monkeypatch.setattr(packages.metadata, "metadata", lambda _: {"Requires-Python": ">=3.11"})
    project = packages.read_project()
    assert project.python == ">=3.11"
    assert list(map(str, project.core)) == ["torch>=2.4"]
    assert [str(wanted) for wanted in project.extras["app"]] == ["gradio<7,>=6"]
    assert fixes.install_itself("app") == f"{PIP}'ovdet[app]'"
    itself = next(packages.look_at_itself())
    assert (itself.state, itself.fix) == (NOTE, f"{PIP}ovdet")


def test_python_itself(monkeypatch):
    monkeypatch.setattr(packages, "read_project", lambda: packages.Project(">=3.99", [], {}))
    (found,) = packages.look_at_dependencies()
    assert found.state == WRONG
    assert "asked >=3.99" in found.said


def test_without_a_way_to_compare(monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    (found,) = packages.look_at_dependencies()
    assert found.state == WRONG
    assert found.fix == f"{PIP}-e {fixes.checkout()}"


def test_another_installer(monkeypatch):
    monkeypatch.setattr(fixes, "find_spec", lambda _: None)
    monkeypatch.setattr(fixes.shutil, "which", lambda name: f"/bin/{name}")
    assert fixes.pip("a>=1") == f"uv pip install --python {sys.executable} 'a>=1'"
    assert fixes.replace("a>=1", "b-c==2").startswith("uv pip uninstall --python ")
    monkeypatch.setattr(fixes.shutil, "which", lambda _: None)
    assert fixes.pip("a").startswith(f"{sys.executable} -m ensurepip && ")
    assert " uninstall -y a b-c && " in fixes.replace("a>=1", "b-c==2")
