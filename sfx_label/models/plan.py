"""Networks as plans: plain numbers from which shapes, first weights and the Keras model follow, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import BundleError
from sfx_label.models.prepare import prepared_shape

__all__ = ["Block", "NetworkPlan", "first_weights"]

MAX_BLOCKS = 8
MAX_FILTERS = 512
MAX_KERNEL = 31
MAX_DENSE = 4096
MAX_SIDE = 8192
COLLAPSES = ("flatten", "mean", "max", "mean+max")


@dataclass(frozen=True)
class Block:
    """Convolution, batch normalisation, ReLU, max pooling and dropout (paper, Fig. 2); all with "same" padding.

    Parameters
    ----------
    filters
        Number of filters.
    kernel, stride
        Of the convolution, in px.
    pool, pool_stride
        Of the maximum pooling, in px; 1 is none.
    dropout
        Share of values dropped in training.
    """

    filters: int
    kernel: int = 3
    stride: int = 1
    pool: int = 2
    pool_stride: int = 2
    dropout: float = 0.0


@dataclass(frozen=True)
class NetworkPlan:
    """A convolutional base and a classifier.

    Parameters
    ----------
    input_shape
        Shape of one input as preprocessing gives it: ``(rows,)`` or ``(rows, columns)``.
    blocks
        The blocks of the base, first to last.
    collapse
        How the last map becomes a vector: ``"flatten"`` as in the paper, or ``"mean"``, ``"max"``, ``"mean+max"`` over
        all positions, which does not care where a spot lies.
    dense
        Widths of the fully connected layers before the output.
    dense_dropout
        Share of values dropped before each of them and before the output.
    outputs
        2 for Miss and Hit-or-Maybe; 3 for Miss, Maybe and Hit.
    prepare
        Named numpy steps before the network, see `prepare`.

    Raises
    ------
    BundleError
        If a number is out of range.
    """

    input_shape: tuple[int, ...]
    blocks: tuple[Block, ...]
    collapse: str = "flatten"
    dense: tuple[int, ...] = (64,)
    dense_dropout: float = 0.0
    outputs: int = 2
    prepare: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(len(self.input_shape) in (1, 2), "a network takes vectors or pictures", self.input_shape)
        for side in self.input_shape:
            _require_whole(side, 1, MAX_SIDE, "side of the input")
        _require(1 <= len(self.blocks) <= MAX_BLOCKS, f"a base has 1 to {MAX_BLOCKS} blocks", len(self.blocks))
        for block in self.blocks:
            _check_block(block)
        _require(self.collapse in COLLAPSES, f"collapse is one of {', '.join(COLLAPSES)}", self.collapse)
        _require(len(self.dense) <= 3, "a classifier has at most 3 layers before its output", self.dense)
        for width in self.dense:
            _require_whole(width, 1, MAX_DENSE, "width of a dense layer")
        _require_share(self.dense_dropout)
        _require(self.outputs in (2, 3), "a network has 2 or 3 outputs", self.outputs)
        prepared_shape(self.input_shape, self.prepare)

    @property
    def rank(self) -> int:
        """1 for vectors, 2 for pictures."""
        return len(self.input_shape)

    @property
    def network_shape(self) -> tuple[int, ...]:
        """Shape of one input after the steps of ``prepare``."""
        return prepared_shape(self.input_shape, self.prepare)

    @property
    def map_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the maps after each block, without the filters."""
        shapes, sides = [], self.network_shape
        for block in self.blocks:
            sides = tuple(ceil(ceil(side / block.stride) / block.pool_stride) for side in sides)
            shapes.append(sides)
        return tuple(shapes)

    @property
    def n_features(self) -> int:
        """Length of the vector between base and classifier."""
        filters = self.blocks[-1].filters
        per_filter = {"flatten": int(np.prod(self.map_shapes[-1])), "mean+max": 2}.get(self.collapse, 1)
        return filters * per_filter

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape of every weight; ``input/*`` standardise the input, ``moving_*`` belong to BN."""
        shapes: dict[str, tuple[int, ...]] = {"input/mean": (), "input/scale": ()}
        channels = 1
        for number, block in enumerate(self.blocks, start=1):
            name = f"block{number}"
            shapes[f"{name}/kernel"] = (*(block.kernel,) * self.rank, channels, block.filters)
            for part in ("bias", "gamma", "beta", "moving_mean", "moving_variance"):
                shapes[f"{name}/{part}"] = (block.filters,)
            channels = block.filters
        width = self.n_features
        for name, units in (*((f"dense{i}", n) for i, n in enumerate(self.dense, start=1)), ("output", self.outputs)):
            shapes[f"{name}/kernel"], shapes[f"{name}/bias"] = (width, units), (units,)
            width = units
        return shapes

    @property
    def n_parameters(self) -> int:
        """Number of weights that training changes."""
        fixed = ("input/mean", "input/scale")
        trained = [
            s
            for n, s in self.weight_shapes().items()
            if n not in fixed and not n.rpartition("/")[2].startswith("moving_")
        ]
        return sum(int(np.prod(shape)) for shape in trained)

    def to_config(self) -> dict[str, Any]:
        """Return plain lists and numbers, as a bundle keeps them."""
        config = asdict(self)
        config["blocks"] = [asdict(block) for block in self.blocks]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NetworkPlan:
        """Make a plan from what `to_config` gave, refusing anything else.

        Raises
        ------
        BundleError
            If a field is unknown, missing or out of range.
        """
        names = {entry.name for entry in fields(cls)}
        if set(config) != names:
            raise BundleError(
                f"A network is described by {', '.join(sorted(names))}. Received {sorted(config)[:10]!r:.300}; the"
                " bundle is"
                " damaged or from a newer version."
            )
        values: dict[str, Any] = dict(config)
        for name in ("input_shape", "blocks", "dense", "prepare"):
            _require(isinstance(values[name], list | tuple), f"{name!r} must be a list", values[name])
        values["blocks"] = tuple(_block_of(entry) for entry in values["blocks"])
        values.update({name: tuple(value) for name, value in values.items() if isinstance(value, list)})
        return cls(**values)

    def with_outputs(self, outputs: int) -> NetworkPlan:
        """Return the same plan with another number of outputs."""
        return replace(self, outputs=outputs)


def first_weights(plan: NetworkPlan, seed: int) -> dict[str, NDArray[np.float32]]:
    """Draw the weights that training starts from: He-normal kernels, zero offsets, unit scales.

    Drawn by numpy, so that they depend on nothing but the plan and the seed.
    """
    rng = np.random.default_rng([seed, 0x5F])
    ones = ("gamma", "moving_variance", "scale")
    weights = {}
    for name, shape in plan.weight_shapes().items():
        part = name.rpartition("/")[2]
        if part == "kernel":
            fan_in = int(np.prod(shape[:-1]))
            gain = 1.0 if name == "output/kernel" else 2.0
            values = rng.normal(0.0, np.sqrt(gain / fan_in), shape)
        else:
            values = np.ones(shape) if part in ones else np.zeros(shape)
        weights[name] = np.asarray(values, dtype=np.float32)
    return weights


def _block_of(entry: Any) -> Block:
    names = {field.name for field in fields(Block)}
    if isinstance(entry, Mapping) and set(entry) == names:
        return Block(**entry)
    raise BundleError(
        f"A block is described by {', '.join(sorted(names))}. Received {entry!r:.200}; the bundle is damaged."
    )


def _check_block(block: Block) -> None:
    _require_whole(block.filters, 1, MAX_FILTERS, "number of filters")
    for value in (block.kernel, block.stride, block.pool, block.pool_stride):
        _require_whole(value, 1, MAX_KERNEL, "size of a kernel, stride or pool")
    _require_share(block.dropout)


def _require_whole(value: Any, low: int, high: int, what: str) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    _require(whole and low <= value <= high, f"the {what} is a whole number from {low} to {high}", value)


def _require_share(value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    _require(number and 0 <= value < 1, "a dropout is a share from 0 to below 1", value)


def _require(condition: bool, rule: str, received: Any) -> None:
    if not condition:
        raise BundleError(f"This is not a network that sfx-label builds: {rule}. Received {received!r:.200}.")
