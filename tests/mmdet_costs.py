"""mmdet's matching costs, as a reference for several tests.

Their file is run alone: the package around it takes seconds to import. Once a process, because
mmdet's registries take each name once.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path

import ovdet.adapters.mmdet  # noqa: F401 - brings mmcv's operators, which mmdet imports


@cache
def match_costs():
    """Return the module with ``FocalLossCost``, ``BBoxL1Cost`` and ``IoUCost``."""
    import mmdet

    name = "mmdet.models.task_modules.assigners.match_cost"
    if name in sys.modules:
        return sys.modules[name]
    path = Path(mmdet.__file__).parent / "models/task_modules/assigners/match_cost.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a later import of mmdet finds it and registers nothing twice
    spec.loader.exec_module(module)
    return module
