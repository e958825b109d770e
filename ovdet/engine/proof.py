"""Proofs: a method against its own ablation, under one budget and several seeds.

A proof is the file ``configs/methods/<slug>/proof.py``: the variants to train, what they share, and
which figures to print. ``tools/prove.py`` runs it.
"""

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import nn
from tqdm import tqdm

from ovdet.engine.checkpoints import bare, fill_weights, find_last, load_weights
from ovdet.engine.config import load_config, to_plain
from ovdet.engine.loops import use_vocabulary
from ovdet.engine.naming import proposal_recall
from ovdet.engine.runner import build_runner
from ovdet.registry import build
from ovdet.structures import InputError, Regions, atomic_write

PREPARE = "prepare"
"""The step that prepares samples: of its own, so that two rows do not write the same file."""

_RUN = re.compile(r"\{run:([^}]*)\}")
_WEIGHTS = "weights.safetensors"
_BEGIN, _END = "<!-- proof -->", "<!-- end of proof -->"
"""Between these lines of a method's README stands what its proof printed."""
_PREPARED = {"train": "{prepared}", "val": "{prepared_val}"}


@dataclass(frozen=True)
class Variant:
    """One row of a proof's table.

    Attributes:
        name: What the row is called.
        config: The config's file name, beside the proof's.
        options: Entries that differ from the config, ``train.iters`` style. ``{prepared}`` in a
            text stands for the file that the labeler wrote for the same seed, ``{prepared_val}``
            for that of the pictures to measure on, ``{run:NAME}`` for the folder of row NAME with
            the same seed, where ``weights.safetensors`` lies. ``train`` None only measures.
        prepared: Whether the labeler's files are needed.
        weights_of: The row whose trained weights this one measures; it does not train then.
        of: Slug of the method whose proof has a row of this name: its run is taken. The config is
            that row's then.
    """

    name: str
    config: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    prepared: bool = False
    weights_of: str = ""
    of: str = ""

    def __post_init__(self) -> None:
        if bool(self.config) == bool(self.of):
            raise InputError(f"row '{self.name}' must have either a 'config' or an 'of'")

    @property
    def needs(self) -> set[str]:
        """Names of the rows that must have run before."""
        named = set(_RUN.findall(json.dumps(self.options, default=str)))
        return named | ({self.weights_of} if self.weights_of else set())


@dataclass(frozen=True)
class Proof:
    """What to train and what to print.

    Attributes:
        folder: Where the configs lie.
        variants: The rows, the baseline first.
        figures: Metric name of each column, by the column's title.
        labeler: Config of the labeler that prepares samples with the baseline's detector; None
            where nothing is prepared.
        labeler_of: Slug of the method whose proof prepares the samples, in place of a labeler.
    """

    folder: Path
    variants: tuple[Variant, ...]
    figures: Mapping[str, str]
    labeler: Mapping[str, Any] | None = None
    labeler_of: str = ""

    @classmethod
    def load(cls, folder: Path) -> "Proof":
        """Read ``proof.py`` in a method's folder of configs.

        Raises:
            InputError: If there is none, or it does not say what to train and what to print.
        """
        path = folder / "proof.py"
        if not path.is_file():
            raise InputError(f"{path}: no such file: this method has no proof")
        config = load_config(path)
        for entry in ("variants", "figures"):
            if not config.get(entry):
                raise InputError(f"{path}: must have an entry '{entry}' that is not empty")
        try:
            variants = tuple(Variant(**entry) for entry in to_plain(config.variants))
        except (TypeError, InputError) as error:
            raise InputError(f"{path}: is not a proof: {error}") from error
        names = {variant.name for variant in variants}
        for variant in variants:
            if unknown := variant.needs - names:
                raise InputError(
                    f"{path}: row '{variant.name}' needs {sorted(unknown)}: no such row"
                )
        return cls(
            folder,
            variants,
            to_plain(config.figures),
            to_plain(config.get("labeler")),
            config.get("labeler_of", ""),
        )

    def row(self, name: str) -> Variant:
        """Return the row of that name.

        Raises:
            InputError: If there is none.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise InputError(f"{self.folder}: the proof has no row '{name}'")

    def steps(self) -> list[list[str]]:
        """Return the rows in groups: a group needs only those before it. ``PREPARE`` is a step."""
        first = self.variants[0].name
        steps, done = [[first]], {first}
        if any(variant.prepared for variant in self.variants):
            steps.append([PREPARE])
        while waiting := [v for v in self.variants if v.name not in done]:
            ready = [variant.name for variant in waiting if variant.needs <= done]
            if not ready:
                raise InputError(
                    f"{self.folder}: rows need each other: {[v.name for v in waiting]}"
                )
            steps.append(ready)
            done |= set(ready)
        return steps

    def run(self, variant: Variant, seed: int, work_dir: Path) -> dict[str, float]:
        """Train and measure one variant, or return what an earlier run of it measured.

        Args:
            variant: One of the rows.
            seed: Of the run.
            work_dir: The proof's folder.

        Returns:
            The metrics, ``proposals@100/<group>`` and ``seconds``.
        """
        if variant.of:
            other = Proof.load(self.folder.parent / variant.of)
            return other.run(other.row(variant.name), seed, work_dir.parent / variant.of)
        folder = run_folder(variant.name, seed, work_dir)
        done = folder / "metrics.json"
        if done.is_file():
            stored: dict[str, float] = json.loads(done.read_text())
            return stored
        prepared = self.prepare_all(seed, work_dir) if variant.prepared else {}
        start = time.perf_counter()
        config = self._config(variant, seed, work_dir, prepared)
        learns = not variant.weights_of and config.get("train") is not None
        runner = build_runner(config, folder, train=learns, seed=seed, resume=learns)
        if variant.weights_of:
            weights = run_folder(variant.weights_of, seed, work_dir) / _WEIGHTS
            fill_weights(runner.model, load_file(weights), str(weights))
        if learns:
            runner.train()
            metrics = dict(runner.train_loop.metrics)
            own = {k: v.contiguous().clone() for k, v in bare(runner.model).state_dict().items()}
            atomic_write(folder / _WEIGHTS, save(own))
        else:
            metrics = dict(runner.val())
        metrics["seconds"] = time.perf_counter() - start
        metrics |= proposal_recall(runner.model, runner.val_dataloader.dataset)
        atomic_write(done, json.dumps(metrics, indent=1).encode())
        return metrics

    def _config(
        self, variant: Variant, seed: int, work_dir: Path, prepared: Mapping[str, Path]
    ) -> Config:
        """Return a row's config with its options, places filled in."""

        def filled(value: Any) -> Any:
            if isinstance(value, str):
                for place, path in prepared.items():
                    value = value.replace(place, str(path))
                return _RUN.sub(lambda m: str(run_folder(m.group(1), seed, work_dir)), value)
            if isinstance(value, Mapping):
                return {key: filled(item) for key, item in value.items()}
            if isinstance(value, list | tuple):
                return [filled(item) for item in value]
            return value

        return load_config(str(self.folder / variant.config), filled(variant.options))

    def prepare_all(self, seed: int, work_dir: Path) -> dict[str, Path]:
        """Return the labeler's files for a seed, by the word that stands for them in options."""
        said = json.dumps([variant.options for variant in self.variants], default=str)
        parts = [part for part in _PREPARED if _PREPARED[part] in said]
        return {_PREPARED[part]: self.prepare(seed, work_dir, part) for part in parts}

    def prepare(self, seed: int, work_dir: Path, part: str = "train") -> Path:
        """Return the labeler's file for a seed; write it unless an earlier run did.

        Args:
            seed: Of the baseline's run, whose detector proposes.
            work_dir: The proof's folder.
            part: Whose pictures, ``train`` or ``val``.
        """
        if self.labeler_of:
            other = Proof.load(self.folder.parent / self.labeler_of)
            return other.prepare(seed, work_dir.parent / self.labeler_of, part)
        kind = "prepared" if part == "train" else f"prepared_{part}"
        out = work_dir / f"{kind}_seed{seed}.npz"
        if out.is_file():
            return out
        baseline = self.variants[0]
        self.run(baseline, seed, work_dir)
        config = load_config(str(self.folder / baseline.config), dict(baseline.options))
        runner = build_runner(
            config, work_dir / f"prepare_{part}_seed{seed}", train=False, seed=seed
        )
        checkpoint = find_last(run_folder(baseline.name, seed, work_dir))
        load_weights(runner.model, str(checkpoint))
        labeler = build({**(self.labeler or {}), "detector": runner.model}, "labeler")
        dataset = build(to_plain(config[part].dataset) | {"transforms": []}, f"{part}.dataset")
        use_vocabulary(runner.model, dataset)  # what its labels index
        write_prepared(labeler, dataset, out)
        return out

    def table(self, results: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
        """Return the table in Markdown: mean ± spread (standard deviation) over the seeds.

        Args:
            results: For each variant's name the metrics of its seeds, in the same order.
        """
        titles = ["variant", *self.figures, f"gain in {next(iter(self.figures))}", "seconds"]
        lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
        first = next(iter(self.figures.values()))
        baseline = [run.get(first, math.nan) for run in results[self.variants[0].name]]
        for name, runs in results.items():
            cells = [
                _spread([run.get(key, math.nan) for run in runs]) for key in self.figures.values()
            ]
            own = [run.get(first, math.nan) for run in runs]
            gains = [figure - base for figure, base in zip(own, baseline, strict=True)]
            seconds = f"{mean(run['seconds'] for run in runs):.0f}"
            lines.append("| " + " | ".join([name, *cells, _spread(gains), seconds]) + " |")
        return "\n".join(lines)


def label(config: Config, checkpoint: str, out: Path, device: torch.device) -> None:
    """Run a config's own labeler over its training pictures, as they are stored.

    Args:
        config: Has ``model``, ``train`` and ``labeler``, which gets the model as ``detector``.
        checkpoint: The model's weights.
        out: An ``.npz`` file for ``LoadProposals``.
        device: Where model and labeler run.

    Raises:
        InputError: If the config has no labeler, or the checkpoint does not fit.
        BuildError: If an entry cannot become an object.
    """
    if not config.get("labeler"):
        raise InputError("the config must have an entry 'labeler'")
    model = build(to_plain(config.model), "model")
    load_weights(model, checkpoint)
    labeler = build({**to_plain(config.labeler), "detector": model}, "labeler").to(device)
    dataset = build(to_plain(config.train.dataset) | {"transforms": []}, "train.dataset")
    use_vocabulary(model, dataset)
    write_prepared(labeler, dataset, out)


def write_prepared(labeler: nn.Module, dataset: Any, out: Path) -> None:
    """Run a labeler over a data set and store what it prepared, float16, at once.

    Args:
        labeler: Sample to Sample with ``proposals`` that have embeddings, and labels and scores
            where it names them.
        dataset: Gives samples in px of the stored image.
        out: An ``.npz`` file for ``LoadProposals``.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for index in tqdm(range(len(dataset)), desc="preparing", disable=None, delay=2):
        sample = labeler(dataset[index])
        regions: Regions = sample.proposals
        arrays[f"{sample.image_id}.boxes"] = regions.boxes.numpy().astype(np.float32)
        vectors = torch.zeros(0) if regions.embeddings is None else regions.embeddings
        arrays[f"{sample.image_id}.embeddings"] = vectors.numpy().astype(np.float16)
        for fact in ("labels", "scores"):
            if (value := getattr(regions, fact)) is not None:
                arrays[f"{sample.image_id}.{fact}"] = value.numpy()
    aside = out.with_suffix(".partial.npz")
    np.savez(aside, **arrays)  # type: ignore[arg-type]
    aside.replace(out)


def find_table(readme: str) -> str | None:
    """Return what a proof printed into a README; None where it has not run yet."""
    _, begin, rest = readme.partition(_BEGIN)
    table, end, _ = rest.partition(_END)
    return table.strip() or None if begin and end else None


def put_table(readme: str, table: str, where: str) -> str:
    """Return a README with what a proof printed at its place.

    Args:
        readme: The README's text, with the two lines that mark the place.
        table: What was printed.
        where: The README's name, for the message.

    Raises:
        InputError: If the README does not mark the place.
    """
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise InputError(f"{where}: must mark the place of the table with {_BEGIN} and {_END}")
    return f"{before}{begin}\n\n{table.strip()}\n\n{end}{after}"


def slug(name: str) -> str:
    """Return a name as part of a file name: lower case, dashes for all but letters and digits."""
    words = "".join(c if c.isalnum() else " " for c in name.lower()).split()
    return "-".join(words)


def run_folder(name: str, seed: int, work_dir: Path) -> Path:
    """Return where a row's run with a seed lies."""
    return work_dir / f"{slug(name)}_seed{seed}"


def _spread(values: Sequence[float]) -> str:
    """Return "mean ± standard deviation", in %; one run has no spread, a dash says not measured."""
    if any(math.isnan(value) for value in values):
        return "-"
    if len(values) == 1:
        return f"{100 * values[0]:.1f}"
    return f"{100 * mean(values):.1f} ± {100 * stdev(values):.1f}"
