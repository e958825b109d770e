"""Many small records in two arrays.

A list of dicts would be copied into every loader process as it is touched; arrays are not.
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np


class Packed:
    """Records as JSON texts, one after the other.

    Args:
        records: Anything JSON holds.
    """

    def __init__(self, records: Iterable[Any]) -> None:
        texts = [json.dumps(record, ensure_ascii=False).encode() for record in records]
        self._texts = np.frombuffer(b"".join(texts), np.uint8)
        self._ends = np.cumsum([0, *map(len, texts)]).astype(np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Any:
        """Return a new copy of record number ``index``, from 0 on."""
        return json.loads(self._texts[self._ends[index] : self._ends[index + 1]].tobytes())
