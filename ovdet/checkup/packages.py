"""Packages: the versions found against those asked for, whether they agree and can be imported."""

import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING

import ovdet
from ovdet.checkup import fixes
from ovdet.checkup.findings import GOOD, NOTE, WRONG, Finding, one_line

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# What is imported, where it is not called as the package is.
_MODULES = {
    "mmcv-lite": "mmcv",
    "open_clip_torch": "open_clip",
    "opencv-python": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "setuptools": "pkg_resources",  # the part of it that mmengine calls
}
# What brings the same modules under another name.
_STAND_INS = {
    "mmcv-lite": ("mmcv",),
    "opencv-python": (
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
}
_SETTINGS = (
    "OVDET_CACHE",
    "OVDET_ZOO",
    "OVDET_OFFLINE",
    "OVDET_STICKER_FONT",
    "HF_HUB_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
    "TRITON_INTERPRET",
    "OMP_NUM_THREADS",
)
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")


@dataclass(frozen=True)
class Project:
    """What ovdet asks for.

    Attributes:
        python: The versions of Python, as ``>=3.11``.
        core: What it cannot do without.
        extras: What else it can use, by the extra's name.
    """

    python: str
    core: list["Requirement"]
    extras: dict[str, list["Requirement"]]


def read_project() -> Project:
    """Return what ``pyproject.toml`` asks for, or what was kept of it on installing."""
    from packaging.requirements import Requirement

    root = fixes.checkout()
    if root is not None:
        import tomllib

        table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        more = table.get("optional-dependencies", {})
        return Project(
            table["requires-python"],
            [Requirement(line) for line in table["dependencies"]],
            {extra: [Requirement(line) for line in lines] for extra, lines in more.items()},
        )
    core: list[Requirement] = []
    extras: dict[str, list[Requirement]] = {}
    for line in metadata.requires("ovdet") or ():
        wanted = Requirement(line)
        marked = _EXTRA.search(str(wanted.marker or ""))
        wanted.marker = None
        (extras.setdefault(marked[1], []) if marked else core).append(wanted)
    return Project(metadata.metadata("ovdet")["Requires-Python"], core, extras)


def as_asked(package: str) -> str:
    """Return what pip is asked for to have one of the packages ovdet cannot do without."""
    return next(str(wanted) for wanted in read_project().core if wanted.name == package)


def look_at_itself() -> Iterator[Finding]:
    """Yield ovdet's version and place, the system, and the settings in the environment."""
    place = fixes.checkout() or ovdet.__path__[0]
    kept, said = installed("ovdet"), f"{ovdet.__version__}, {place}"
    if kept == ovdet.__version__:
        yield Finding("version", said)
    else:
        said += f", installed as {kept}" if kept else ", not installed"
        yield Finding("version", said, NOTE, fixes.install_itself())
    yield Finding("system", f"{platform.platform()}, {platform.machine()}")
    yield from (Finding(key, os.environ[key]) for key in _SETTINGS if key in os.environ)


def look_at_dependencies() -> Iterator[Finding]:
    """Yield Python and each package that ovdet cannot do without."""
    try:
        project = read_project()
    except ImportError as error:
        fix = fixes.install_itself()
        yield Finding("packaging", f"{one_line(error)}: versions are not compared", WRONG, fix)
        return
    from packaging.specifiers import SpecifierSet

    python, asked = platform.python_version(), project.python
    fits = SpecifierSet(asked).contains(python, prereleases=True)
    fix = "" if fits else "python3.12 -m venv .venv  # or a newer one, and install ovdet there"
    said = f"{python}, asked {asked}; {sys.executable}"
    yield Finding("python", said, GOOD if fits else WRONG, fix)
    for wanted in project.core:
        yield from look_at(wanted, project.core)


def look_at(wanted: "Requirement", core: list["Requirement"]) -> Iterator[Finding]:
    """Yield what there is to say of a package: of its version, its own wishes, its import.

    Args:
        wanted: What was asked for.
        core: All that ovdet asks for.
    """
    wrong = compare(wanted)
    if wrong is not None:
        yield wrong
        return
    yield from list(disagreements(wanted.name, core)) or [try_import(wanted, core)]


def look_at_extras() -> Iterator[Finding]:
    """Yield each extra: whole, not there, or there in another version than asked for."""
    for extra, asked in sorted(read_project().extras.items()):
        found = {wanted.name: installed(wanted.name) for wanted in asked}
        absent = [name for name, version in found.items() if version is None]
        wrong = [compare(wanted) for wanted in asked if found[wanted.name] is not None]
        if any(wrong):
            yield from (finding for finding in wrong if finding is not None)
        elif absent:
            said = f"not installed: {', '.join(absent)}"
            yield Finding(extra, said, NOTE, fixes.install_itself(extra))
        else:
            yield Finding(extra, ", ".join(f"{name} {v}" for name, v in found.items()))


def module_of(package: str) -> str:
    """Return the module that a package is imported as."""
    return _MODULES.get(package, package.replace("-", "_"))


def installed(package: str) -> str | None:
    """Return the version of a package, or of one that stands in for it; None where there is none.

    A package whose record lost its version counts as none.
    """
    return _found(package)[1]


def compare(wanted: "Requirement") -> Finding | None:
    """Return what is wrong with a package's version; None where it is as asked."""
    version = installed(wanted.name)
    if version is None:
        said = f"missing, asked {wanted.specifier or 'any'}"
        return Finding(wanted.name, said, WRONG, fixes.pip(str(wanted)))
    if wanted.specifier.contains(version, prereleases=True):
        return None
    said = f"{version}, asked {wanted.specifier}"
    return Finding(wanted.name, said, WRONG, fixes.pip(str(wanted)))


def try_import(wanted: "Requirement", core: list["Requirement"]) -> Finding:
    """Import a package; return its version, or why it cannot be imported.

    Args:
        wanted: What was asked for.
        core: All that ovdet asks for, among it what a failing import may stand on.
    """
    version, module = installed(wanted.name), module_of(wanted.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken package may raise anything
        known = {module_of(one.name): _as_it_is(one) for one in core}
        fix = fixes.for_import(error, module, known)
        said = f"{version}, but importing {module} fails: {one_line(error)}"
        return Finding(wanted.name, said, WRONG, fix)
    return Finding(wanted.name, f"{version}, asked {wanted.specifier}")


def disagreements(package: str, core: list["Requirement"]) -> Iterator[Finding]:
    """Yield what a package asks of others that are there in another version, or not there.

    Args:
        package: The package.
        core: What ovdet itself asks for, so that what mends the one does not break the other.
    """
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires(package) or ()
    except metadata.PackageNotFoundError:
        return
    own = {wanted.name.lower(): wanted.specifier for wanted in core}
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = installed(wanted.name)
        if found is not None and wanted.specifier.contains(found, prereleases=True):
            continue
        said = f"{installed(package)} asks for {wanted.name}{wanted.specifier}, found {found}"
        both = wanted.specifier & own.get(wanted.name.lower(), wanted.specifier)
        yield Finding(package, said, WRONG, fixes.pip(f"{wanted.name}{both}"))


def _found(package: str) -> tuple[str, str | None]:
    """Return under which name a package is there, and its version."""
    for name in (package, *_STAND_INS.get(package, ())):
        try:
            return name, metadata.version(name) or None
        except metadata.PackageNotFoundError:
            continue
    return package, None


def _as_it_is(wanted: "Requirement") -> str:
    """Return what pip is asked for to have a package again, as it is here."""
    name, version = _found(wanted.name)
    return str(wanted) if version is None else f"{name}=={version}"
