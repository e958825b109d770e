"""Assemblies that name pixels and masks. None exists yet."""
