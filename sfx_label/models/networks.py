"""Plans built with Keras, the named networks, and predictions in fixed batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError
from sfx_label.models.architectures import Architecture, Weights
from sfx_label.models.logistic import sigmoid
from sfx_label.models.plan import Block, NetworkPlan
from sfx_label.models.prepare import prepare

if TYPE_CHECKING:
    import keras

__all__ = ["ARCHITECTURES", "NAMED_PLANS", "Network", "logits_to_probability", "named_plan"]

_BN_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


class Network:
    """A plan as Keras models: ``base`` (input to features) and ``classifier`` (features to logits).

    Parameters
    ----------
    plan
        What to build.
    weights
        Its weights by name.
    precision
        ``"float32"``, ``"mixed_bfloat16"`` or ``"mixed_float16"``; the output layer computes in float32 in all three.
    synchronized
        Whether batch normalisation takes its statistics over all devices.
    """

    def __init__(
        self, plan: NetworkPlan, weights: Weights, *, precision: str = "float32", synchronized: bool = False
    ) -> None:
        self.plan = plan
        self.precision = precision
        self._synchronized = synchronized
        self.constants = (float(weights["input/mean"]), float(weights["input/scale"]))
        self.blocks: list[list[keras.Layer]] = []
        self.base = self._build_base()
        self.classifier = self._build_classifier()
        self.set_weights(weights)

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Return logits ``(n, outputs)`` of prepared inputs ``(n, ...)``."""
        return self.classifier(self.base(x, training=training), training=training)

    def standardised(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Apply the constants ``input/mean`` and ``input/scale``."""
        mean, scale = self.constants
        if mean == 0.0 and scale == 1.0:
            return prepared
        return np.asarray((prepared - np.float32(mean)) / np.float32(scale), dtype=np.float32)

    def get_weights(self) -> dict[str, NDArray[np.float32]]:
        """Return copies of all weights by name."""
        values = {name: np.array(variable, dtype=np.float32) for name, variable in self.variables().items()}
        mean, scale = self.constants
        return {"input/mean": np.array(mean, np.float32), "input/scale": np.array(scale, np.float32), **values}

    def set_weights(self, weights: Weights) -> None:
        """Take over weights by name; ``input/*`` are set when the network is built."""
        for name, variable in self.variables().items():
            variable.assign(weights[name])

    def variables(self) -> dict[str, Any]:
        """Return the Keras variables by the names of the plan."""
        found: dict[str, Any] = {}
        for number, (convolution, norm, *_) in enumerate(self.blocks, start=1):
            found[f"block{number}/kernel"], found[f"block{number}/bias"] = convolution.kernel, convolution.bias
            for part in _BN_PARTS:
                found[f"block{number}/{part}"] = getattr(norm, part)
        for layer in self.classifier.layers:
            if hasattr(layer, "kernel"):
                found[f"{layer.name}/kernel"], found[f"{layer.name}/bias"] = layer.kernel, layer.bias
        return found

    def seed_dropout(self, seed: int, epoch: int) -> None:
        """Start the dropout of an epoch from a known state, so that a resumed training draws the same."""
        number = 0
        for layer in (*self.base.layers, *self.classifier.layers):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                number += 1
                generator.state.assign([(seed * 1009 + number) % 2**31, epoch])

    def _build_base(self) -> keras.Model:
        import keras

        shape = self.plan.network_shape
        inputs = keras.Input(shape, dtype="float32")
        x = keras.layers.Reshape((*shape, 1), dtype=self.precision)(inputs)
        for number, block in enumerate(self.plan.blocks, start=1):
            layers = self._block_layers(block, f"block{number}")
            self.blocks.append(layers)
            for layer in layers:
                x = layer(x)
        return keras.Model(inputs, self._collapsed(x), name="base")

    def _block_layers(self, block: Block, name: str) -> list[keras.Layer]:
        from keras import layers

        flat = self.plan.rank == 1
        convolution, pooling = (layers.Conv1D, layers.MaxPooling1D) if flat else (layers.Conv2D, layers.MaxPooling2D)
        common = {"padding": "same", "dtype": self.precision}
        made = [
            convolution(block.filters, block.kernel, strides=block.stride, name=f"{name}_conv", **common),
            layers.BatchNormalization(
                momentum=0.9, name=f"{name}_norm", dtype=self.precision, synchronized=self._synchronized
            ),
            layers.ReLU(name=f"{name}_relu", dtype=self.precision),
        ]
        if block.pool > 1 or block.pool_stride > 1:
            made.append(pooling(block.pool, strides=block.pool_stride, name=f"{name}_pool", **common))
        if block.dropout:
            made.append(layers.Dropout(block.dropout, seed=1, name=f"{name}_dropout", dtype=self.precision))
        return made

    def _collapsed(self, x: Any) -> Any:
        from keras import layers

        if self.plan.collapse == "flatten":
            return layers.Flatten(dtype="float32")(x)
        flat = self.plan.rank == 1
        mean = layers.GlobalAveragePooling1D if flat else layers.GlobalAveragePooling2D
        highest = layers.GlobalMaxPooling1D if flat else layers.GlobalMaxPooling2D
        parts = {"mean": [mean], "max": [highest], "mean+max": [mean, highest]}[self.plan.collapse]
        pooled = [part(dtype="float32")(x) for part in parts]
        return pooled[0] if len(pooled) == 1 else layers.Concatenate(dtype="float32")(pooled)

    def _build_classifier(self) -> keras.Model:
        import keras

        inputs = keras.Input((self.plan.n_features,), dtype="float32")
        x = inputs
        for number, width in enumerate(self.plan.dense, start=1):
            x = self._dropout(x)
            x = keras.layers.Dense(width, activation="relu", name=f"dense{number}", dtype=self.precision)(x)
        x = self._dropout(x)
        # in float32 whatever the precision: a softmax in half precision saturates
        outputs = keras.layers.Dense(self.plan.outputs, name="output", dtype="float32")(x)
        return keras.Model(inputs, outputs, name="classifier")

    def _dropout(self, x: Any) -> Any:
        import keras

        return keras.layers.Dropout(self.plan.dense_dropout, seed=1)(x) if self.plan.dense_dropout else x


class NetworkPredictor:
    """A network in inference: prepared and padded to one batch shape, so that TensorFlow compiles it once.

    Parameters
    ----------
    config
        Checked configuration of the plan.
    weights
        Its weights.
    device
        ``"auto"``, ``"cpu"`` or ``"gpu:N"``.
    """

    def __init__(self, config: Mapping[str, Any], weights: Weights, device: str) -> None:
        from sfx_label.models.devices import choose_device

        self._plan = NetworkPlan.from_config(config)
        self._device = choose_device(device)
        with self._device.scope():
            self._network = Network(self._plan, weights)
        self.batch_size = fixed_batch(self._plan)
        self._logits = compiled_forward(self._network, self.batch_size)
        self._features = compiled_forward(self._network.base, self.batch_size, self._plan)

    def probability(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of Hit-or-Maybe, shape ``(n,)``."""
        return logits_to_probability(self._run(self._logits, X))

    def features(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return the flattened output of the convolutional base, shape ``(n, d)``."""
        return self._run(self._features, X)

    def _run(self, call: Callable[[Any], Any], X: NDArray[Any]) -> NDArray[np.float32]:
        with self._device.scope():
            return in_fixed_batches(call, self._network.standardised, X, self.batch_size, steps=self._plan.prepare)


def fixed_batch(plan: NetworkPlan) -> int:
    """Return the batch that inference is compiled for: vectors are cheap, pictures fill the memory."""
    return 256 if plan.rank == 1 else 16


def compiled_forward(model: Any, batch_size: int, plan: NetworkPlan | None = None) -> Callable[[Any], Any]:
    """Compile ``model(x, training=False)`` for one batch shape; XLA is left off, it slows convolutions on CPUs."""
    import tensorflow as tf

    shape = (plan or model.plan).network_shape
    signature = [tf.TensorSpec((batch_size, *shape), tf.float32)]

    @tf.function(input_signature=signature, jit_compile=False)
    def forward(x: Any) -> Any:
        return tf.cast(model(x, training=False), tf.float32)

    compiled: Callable[[Any], Any] = forward
    return compiled


def in_fixed_batches(
    call: Callable[[Any], Any],
    standardise: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    X: NDArray[Any],
    batch_size: int,
    *,
    steps: tuple[str, ...],
) -> NDArray[np.float32]:
    """Prepare and run inputs in batches of one shape, the last one padded with zeros."""
    parts = []
    for start in range(0, len(X), batch_size):
        rows = standardise(prepare(np.asarray(X[start : start + batch_size]), steps))
        batch = np.zeros((batch_size, *rows.shape[1:]), dtype=np.float32)
        batch[: len(rows)] = rows
        parts.append(np.asarray(call(batch))[: len(rows)])
    return np.concatenate(parts)


def logits_to_probability(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``1 - softmax(logits)[miss]``, computed so that it does not saturate early; shape ``(n,)``."""
    values = np.asarray(logits, dtype=np.float64)
    return sigmoid(np.logaddexp.reduce(values[:, 1:], axis=1) - values[:, 0])


def _fig2(input_shape: tuple[int, ...], **changes: Any) -> NetworkPlan:
    """Fig. 2 of the paper: five blocks, dropout in the top two, two fully connected layers.

    The paper prints neither filters nor strides. With stride 2 in the first convolution one epoch of 200 frames takes
    7 s on two cores, without it 29 s.
    """
    filters = (8, 16, 32, 32, 64)
    strides, dropouts = (2, 1, 1, 1, 1), (0.0, 0.0, 0.0, 0.25, 0.25)
    blocks = tuple(Block(f, stride=s, dropout=d) for f, s, d in zip(filters, strides, dropouts, strict=True))
    return NetworkPlan(input_shape, blocks, **{"dense": (64,), "dense_dropout": 0.5, **changes})


def _fig2_full(input_shape: tuple[int, ...], **changes: Any) -> NetworkPlan:
    """Fig. 2 at full resolution: every convolution with stride 1; for GPUs."""
    plan = _fig2(input_shape, **changes)
    blocks = tuple(Block(block.filters, dropout=block.dropout) for block in plan.blocks)
    return NetworkPlan.from_config({**plan.to_config(), "blocks": [vars(block) for block in blocks]})


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


def _predictor(config: Mapping[str, Any], weights: Weights, device: str) -> NetworkPredictor:
    return NetworkPredictor(config, weights, device)


ARCHITECTURES = {
    "conv": Architecture(
        id="conv",
        needs_tensorflow=True,
        check=lambda config: NetworkPlan.from_config(config).to_config(),
        input_shape=lambda config: NetworkPlan.from_config(config).input_shape,
        weight_shapes=lambda config: NetworkPlan.from_config(config).weight_shapes(),
        weight_dtype="float32",
        predictor=_predictor,
    )
}
