"""Packages that are there by their records alone: a folder each on the path, as pip writes it."""

import pytest


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a package on the path: its record, and its code if given."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(name, version, *, asks=(), code=None):
        record = site / f"{name}-{version}.dist-info"
        record.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {a}" for a in asks)]
        (record / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines]))
        if code is not None:
            (site / f"{name}.py").write_text(code)

    return install
