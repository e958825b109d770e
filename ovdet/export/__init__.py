"""Models as files for other runtimes: ONNX, and programs of ``torch.export``.

Importing it also brings along the operator that a program (``.pt2``) needs.
"""

from ovdet.export.files import FORMATS, Exported, embed, export, runner

__all__ = ["FORMATS", "Exported", "embed", "export", "runner"]
