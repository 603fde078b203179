"""A model for a run that nobody has labelled: the spot count in units of the noise, cut by the run's own counts.

The count of `find_spots` needs no gain, threshold or mask, so the same count means much the same on every detector.
What differs between experiments is how bright the crystals are: where strong frames have hundreds of spots, a frame
with five is an accident; where they have twenty, it is a find. So the cut-off follows the run: it is the
`POWER`-th power of its 95th percentile of ``1 + count``, kept between `LOWEST` and `HIGHEST`. The 95th percentile lies
among the hits of any run with a hit rate above 5 %.

The numbers were chosen on 80 randomised simulated experiments, the four named ones and the twins looked at beside
them; what they reach is measured by ``benchmarks/fewer_labels.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.frames.open import open_frames
from sfx_label.models.bundle import ArchitectureChoice, ModelBundle
from sfx_label.models.dataset import Dataset
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.preprocess.features import FEATURE_NAMES

__all__ = ["NAME", "adapt_to_run", "adapt_to_runs", "expected_cut_off", "load_zero_label"]

NAME = "zero-label"
POWER, QUANTILE = 0.4, 0.95
LOWEST, HIGHEST = 2.5, 7.5  # spots; a frame is kept from 3 at the least, and always from 8
TYPICAL = 5.5  # spots; where there are too few frames to look at
FEWEST = 20  # frames that say something about a run
STEEPNESS = 3.0  # of the logit per unit of ln(1 + count), from the same simulations


def expected_cut_off(counts: ArrayLike) -> float:
    """Return the number of spots from which a frame of this run is worth keeping, without any label.

    Parameters
    ----------
    counts
        Spots of the frames of one run, (n,); NaN and negative values are left out.
    """
    values = np.asarray(counts, dtype=np.float64)
    values = values[np.isfinite(values) & (values >= 0)]
    if len(values) < FEWEST:
        return TYPICAL
    bright = 1.0 + np.quantile(values, QUANTILE)
    return float(np.clip(bright**POWER - 1.0, LOWEST, HIGHEST))


def load_zero_label() -> ModelBundle:
    """Return the model as it stands before it has seen a run; `adapt_to_run` fits its cut-off to one."""
    return _bundle(TYPICAL, {"rule": "typical run", "cut_off": TYPICAL})


def adapt_to_run(bundle: ModelBundle, data: Dataset | NDArray[Any]) -> ModelBundle:
    """Return the model with its cut-off taken from the counts of a run. Labels are not looked at.

    Parameters
    ----------
    bundle
        Model of `load_zero_label`; any other is returned as it is.
    data
        Feature vectors of the run, (n, features), or a data set of them.
    """
    if bundle.method != NAME:
        return bundle
    counts = np.asarray(data.X if isinstance(data, Dataset) else data)[:, 0]
    cut_off = expected_cut_off(counts)
    point = {"rule": "counts of the run, no labels", "cut_off": cut_off, "frames": len(counts)}
    return replace(_bundle(cut_off, point), frame_shape=bundle.frame_shape)


def adapt_to_runs(bundle: ModelBundle, runs: Sequence[str | Path], *, frames: int = 400, seed: int = 0) -> ModelBundle:
    """Return the model with its cut-off taken from frames drawn at random from one or more runs.

    Parameters
    ----------
    bundle
        Model of `load_zero_label`; any other is returned as it is, and no run is opened.
    runs
        As `open_frames` takes them.
    frames
        Frames to look at, over all runs.
    seed
        Of the draw.
    """
    if bundle.method != NAME:
        return bundle
    rng, rows = np.random.default_rng(seed), []
    for path in runs:
        with open_frames(path) as opened:
            chosen = np.sort(rng.permutation(len(opened))[: max(1, frames // len(runs))])
            rows.append(bundle.preprocessing.apply_many(opened[chosen], mask=opened.mask))
    return adapt_to_run(bundle, np.concatenate(rows))


def _bundle(cut_off: float, point: dict[str, Any]) -> ModelBundle:
    weights = {
        "mean": np.array([np.log1p(cut_off)]),
        "scale": np.array([1.0]),
        "coefficients": np.array([STEEPNESS]),
        "intercept": np.array(0.0),
    }
    budget = {"train": 0, "validation": 0, "total": 0}
    return ModelBundle(
        method=NAME,
        architecture=ArchitectureChoice(
            "logistic", {"inputs": len(FEATURE_NAMES), "columns": [0], "transform": "log1p"}
        ),
        weights=weights,
        preprocessing=Preprocessing.features(),
        frame_shape=(1, 1),
        threshold=0.5,  # the logit is 0 at the cut-off
        provenance={"operating_point": point, "label_budget": budget, "training_keys": [], "validation_keys": []},
    )
