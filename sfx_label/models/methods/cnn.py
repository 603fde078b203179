"""The 2D CNN on contrast-normalised frames (paper, sections 2.2 and 3.3): the fully supervised benchmark."""

from __future__ import annotations

from sfx_label.models.bundle import ModelBundle
from sfx_label.models.catalogue import picture_plan
from sfx_label.models.method import Job, Method
from sfx_label.models.provenance import now
from sfx_label.models.supervised import NETWORK_OPTIONS, train_network

__all__ = ["METHOD"]


def fit(job: Job) -> ModelBundle:
    """Train the 2D CNN from scratch."""
    started = now()
    options = job.options
    shape = tuple(int(side) for side in job.train.X.shape[1:])
    plan = picture_plan(shape, options["architecture"], options["downsample"], options["crop"])
    return train_network(METHOD.name, job, plan, started)


METHOD = Method(
    name="cnn",
    summary="2D CNN on contrast-normalised frames, from scratch",
    fit=fit,
    options={
        **NETWORK_OPTIONS,
        "epochs": 40,
        "batch_size": 16,
        "patience": 10,
        "architecture": "fig2",
        "downsample": "none",
        "crop": None,
    },
    takes=("lcn",),
)
