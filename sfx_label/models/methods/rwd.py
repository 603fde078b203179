"""Row-wise decomposition and a 1D CNN (paper, section 3.4.2): 200 labels, seconds of training, a simple network."""

from __future__ import annotations

from sfx_label.models.bundle import ModelBundle
from sfx_label.models.catalogue import vector_plan
from sfx_label.models.method import Job, Method
from sfx_label.models.provenance import now
from sfx_label.models.supervised import NETWORK_OPTIONS, VECTOR_OPTIONS, train_network

__all__ = ["METHOD"]


def fit(job: Job) -> ModelBundle:
    """Train the 1D CNN on RWD vectors."""
    started = now()
    plan = vector_plan(int(job.train.X.shape[1]), job.options)
    return train_network(METHOD.name, job, plan, started)


METHOD = Method(
    name="rwd",
    summary="row-wise decomposition and a 1D CNN",
    fit=fit,
    options={
        **NETWORK_OPTIONS,
        "augment": False,
        **VECTOR_OPTIONS,
    },
    takes=("rwd",),
)
