"""Tables of text embeddings: reading them, asking a tower about them, and the text slot of one.

Shapes: C classes, N words, D embedding width.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ovdet.registry import MODELS
from ovdet.structures import InputError, Text, Vocabulary
from ovdet.structures.tables import Table, find_rows
from ovdet.structures.weights import find_weights

_ASKED = 16
_LEAST_RIGHT = 0.5


def read_table(file: str | Path, names: Vocabulary | Sequence[str]) -> Vocabulary:
    """Read a table of text embeddings as a vocabulary that brings them.

    Args:
        file: A ``.npy`` file of [C, D], floating-point, of any norms; a path, or a name in the zoo.
        names: The C names its rows are for, in their order.

    Returns:
        The names with the table, to be given wherever classes are.

    Raises:
        InputError: If the file cannot be read as one array, or is no table of these names, as
            ``ovdet.structures.tables.make_table`` checks it.
    """
    vocabulary = names if isinstance(names, Vocabulary) else Vocabulary.of(names)
    path = find_weights(str(file))
    try:
        array: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        said = getattr(error, "strerror", None) or "it is no .npy file of plain numbers"
        raise InputError(f"{path}: cannot be read as a table: {said}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path}: must be one .npy array, it is an archive of several")
    return vocabulary.with_table(array, str(path))


def check_tower(
    table: Table, names: Sequence[str], embed: Callable[[Sequence[str]], Tensor], dim: int
) -> None:
    """Check that a table may be of the tower that a model has: up to 16 names are asked for.

    Templates may differ, so a row need not be what the tower says; but without what all of them
    have in common, it must be more like its own name than like the other names asked for, in at
    least half of the rows.

    Args:
        table: The table.
        names: Its C names.
        embed: Names to embeddings [N, D], unit norm.
        dim: D of the tower.

    Raises:
        InputError: If the width differs, or the rows are of another tower or in another order.
    """
    width = table.vectors.shape[1]
    if width != dim:
        raise InputError(f"{table.place}: rows are {width} wide, the model's text is {dim} wide")
    rows = sorted({round(row) for row in np.linspace(0, len(names) - 1, min(_ASKED, len(names)))})
    if len(rows) < 2:
        return
    said = embed([names[row] for row in rows]).cpu().float()
    given = table.vectors[rows]
    likeness = (given - given.mean(dim=0)) @ (said - said.mean(dim=0)).T
    right = int((likeness.argmax(dim=1) == torch.arange(len(rows))).sum())
    if right < _LEAST_RIGHT * len(rows):
        raise InputError(
            f"{table.place}: is of another text tower than the model's, or in another order: "
            f"{right} of {len(rows)} rows are most like their own name, at least half must be"
        )


def check_reader(model: Any, vocabulary: Vocabulary) -> None:
    """Check that a model looks at the table of a vocabulary, where there is one.

    Raises:
        InputError: If there is a table and the model reads names alone.
    """
    if vocabulary.table is None or getattr(getattr(model, "text", None), "reads_tables", False):
        return
    raise InputError(
        f"{vocabulary.table.place}: a {type(model).__name__} with this text reads names, it cannot "
        "take a table of embeddings in their place"
    )


@MODELS.register_module()
class TableClasses(nn.Module):
    """Fills the text slot from a table alone: a model without any text tower.

    It knows the table's names and no others. A vocabulary that brings a table of its own gets that
    one.

    Args:
        file: As for :func:`read_table`.
        names: The names the rows are for: themselves, a vocabulary, or the path of its file. In a
            config ``dict(type="NamedVocabulary", source="@lvis-v1")`` is a published one.

    Raises:
        InputError: As for :func:`read_table`.
    """

    rows: Tensor
    reads_tables = True

    def __init__(self, file: str, names: str | Sequence[str] | Vocabulary) -> None:
        super().__init__()
        named = read_table(file, Vocabulary.load(names) if isinstance(names, str) else names)
        if named.table is None:
            raise RuntimeError("read_table returns a vocabulary with its table")
        self.names = named.names
        self.place = named.table.place
        self.register_buffer("rows", named.table.vectors, persistent=False)

    def forward(self, vocabulary: Vocabulary) -> Text:
        """Return the rows of C classes: ``classes`` [C, D], unit norm.

        Raises:
            InputError: If the table has no row for a name, or the vocabulary's own table is of
                another width.
        """
        own = vocabulary.table
        if own is None:
            return Text(classes=self.encode_words(vocabulary.names))
        if own.vectors.shape[1] != self.rows.shape[1]:
            widths = own.vectors.shape[1], self.rows.shape[1]
            raise InputError(f"{own.place}: rows are {widths[0]} wide, {self.place}'s {widths[1]}")
        return Text(classes=own.vectors.to(self.rows))

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Return the rows of N words, [N, D], unit norm.

        Raises:
            InputError: If the table has no row for one.
        """
        return self.rows[find_rows(words, self.names, self.place)]
