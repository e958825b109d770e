"""mmdet's matching costs, as a reference for several tests.

Its file is run alone: the package around it asks for mmcv's compiled operators, which the costs do
not call. Once a process, because mmdet's registries take each name once.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

_OPERATORS = ("mmcv.ops", "mmcv.ops.roi_align")


@cache
def match_costs():
    """Return the module with ``FocalLossCost``, ``BBoxL1Cost`` and ``IoUCost``."""
    missing = [name for name in _OPERATORS if name not in sys.modules]
    for name in missing:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].roi_align = None
    import mmdet

    name = "mmdet.models.task_modules.assigners.match_cost"
    path = Path(mmdet.__file__).parent / "models/task_modules/assigners/match_cost.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a later import of mmdet finds it and registers nothing twice
    spec.loader.exec_module(module)
    for name in missing:  # a later import shall find the real operators
        del sys.modules[name]
    return module
