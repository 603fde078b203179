"""The networks that go by a name: the paper's, its one-dimensional form, and that of Ke et al."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sfx_label.errors import TrainingError
from sfx_label.models.plan import Block, NetworkPlan
from sfx_label.models.prepare import prepared_shape

__all__ = ["DOWNSAMPLES", "NAMED_PLANS", "named_plan", "picture_plan", "vector_plan"]

DOWNSAMPLES = ("none", "max2", "max4")
LARGE_PICTURE = 400  # px; from here on the first convolution of "fig2" has stride 2


def _fig2(input_shape: tuple[int, ...], **changes: Any) -> NetworkPlan:
    """Fig. 2 of the paper: five blocks, dropout in the top two, two fully connected layers.

    The paper prints neither filters nor strides. Large pictures get stride 2 in the first convolution: on two cores an
    epoch of 200 frames of 720 px then takes 7 s in place of 29 s.
    """
    first_stride = 2 if max(prepared_shape(input_shape, changes.get("prepare", ()))) >= LARGE_PICTURE else 1
    return _five_blocks(input_shape, first_stride, **changes)


def _fig2_full(input_shape: tuple[int, ...], **changes: Any) -> NetworkPlan:
    """Fig. 2 at full resolution: every convolution with stride 1; for GPUs."""
    return _five_blocks(input_shape, 1, **changes)


def _five_blocks(input_shape: tuple[int, ...], first_stride: int, **changes: Any) -> NetworkPlan:
    filters, dropouts = (8, 16, 32, 32, 64), (0.0, 0.0, 0.0, 0.25, 0.25)
    strides = (first_stride, 1, 1, 1, 1)
    blocks = tuple(Block(f, stride=s, dropout=d) for f, s, d in zip(filters, strides, dropouts, strict=True))
    return NetworkPlan(input_shape, blocks, **{"dense": (64,), "dense_dropout": 0.5, **changes})


def _ke(input_shape: tuple[int, ...], **changes: Any) -> NetworkPlan:
    """Ke et al. (2018): four small strided blocks and one linear layer; 7,291 parameters for 720 px and 3 outputs."""
    shapes = ((4, 7), (8, 3), (16, 3), (32, 3))
    blocks = tuple(Block(filters, kernel, stride=2, pool=3, pool_stride=2) for filters, kernel in shapes)
    return NetworkPlan(input_shape, blocks, **{"dense": (), **changes})


def _rwd(input_shape: tuple[int, ...], **changes: Any) -> NetworkPlan:
    """1D CNN on RWD vectors: the base and classifier of Fig. 2 in one dimension (paper, section 3.4.2)."""
    shapes = ((16, 7, 2), (32, 5, 1), (32, 3, 1), (64, 3, 1))
    blocks = tuple(
        Block(filters, kernel, stride, dropout=0.25 if number >= 2 else 0.0)
        for number, (filters, kernel, stride) in enumerate(shapes)
    )
    return NetworkPlan(input_shape, blocks, **{"dense": (32,), "dense_dropout": 0.5, **changes})


NAMED_PLANS: dict[str, tuple[int, Callable[..., NetworkPlan]]] = {
    "rwd": (1, _rwd),
    "fig2": (2, _fig2),
    "fig2-full": (2, _fig2_full),
    "ke": (2, _ke),
}


def named_plan(name: str, input_shape: tuple[int, ...], **changes: Any) -> NetworkPlan:
    """Return a network by name.

    Parameters
    ----------
    name
        ``"rwd"`` for vectors; ``"fig2"``, ``"fig2-full"`` or ``"ke"`` for pictures.
    input_shape
        Shape of one input.
    changes
        Fields of `NetworkPlan` that differ from the named one.

    Raises
    ------
    TrainingError
        If the name is unknown, or the network is made for inputs of another rank.
    """
    fitting = [known for known, (rank, _) in NAMED_PLANS.items() if rank == len(input_shape)]
    if name not in fitting:
        raise TrainingError(f"Networks for inputs of shape {input_shape} are {', '.join(fitting)}. Received {name!r}.")
    return NAMED_PLANS[name][1](input_shape, **changes)


def picture_plan(input_shape: tuple[int, ...], architecture: str, downsample: str, crop: int | None) -> NetworkPlan:
    """Return the named network for LCN frames.

    Parameters
    ----------
    input_shape
        Shape of one LCN frame, px.
    architecture
        ``"fig2"``, ``"fig2-full"`` or ``"ke"``.
    downsample
        ``"none"``, or the maximum of 2 x 2 or 4 x 4 tiles: spots stay, the picture shrinks and training is 4 to 8
        times as fast on a CPU.
    crop
        Side of the part that the network sees, px: random in training, central in prediction; None for all.

    Raises
    ------
    TrainingError
        If a name is unknown, or the crop larger than the frame.
    """
    if downsample not in DOWNSAMPLES:
        raise TrainingError(f"downsample is one of {', '.join(DOWNSAMPLES)}. Received {downsample!r}.")
    if crop is not None and not 16 <= crop <= min(input_shape):
        raise TrainingError(f"crop lies between 16 and the frame's {min(input_shape)} px after LCN. Received {crop!r}.")
    steps = (() if crop is None else (f"crop:{crop}",)) + (() if downsample == "none" else (downsample,))
    return named_plan(architecture, input_shape, prepare=steps)


def vector_plan(n_rows: int, options: Any) -> NetworkPlan:
    """Return the network for RWD vectors.

    Parameters
    ----------
    n_rows
        Length of a vector.
    options
        ``frame_scale``, ``asinh`` and ``sorted``: steps before the network, in this order; ``collapse`` as in
        `NetworkPlan`.
    """
    names = (("frame-scale", "frame_scale"), ("asinh", "asinh"), ("sort", "sorted"))
    steps = tuple(step for step, option in names if options[option])
    return named_plan("rwd", (n_rows,), prepare=steps, collapse=options["collapse"])
