"""Plans built with Keras, and predictions in fixed batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.models.architectures import Architecture, Weights
from sfx_label.models.logistic import sigmoid
from sfx_label.models.plan import Block, NetworkPlan
from sfx_label.models.prepare import prepare

if TYPE_CHECKING:
    import keras

__all__ = ["ARCHITECTURES", "Network", "compiled_forward", "fixed_batch", "in_fixed_batches", "logits_to_probability"]

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
        values = {name: np.array(variable.numpy(), dtype=np.float32) for name, variable in self.variables().items()}
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

    def cut(self, number: int) -> tuple[keras.Model, keras.Model]:
        """Cut the base after so many blocks: a lower part (input to maps) and an upper part (maps to features)."""
        import keras

        middle = self.base.layers[1].output if number == 0 else self.blocks[number - 1][-1].output
        lower = keras.Model(self.base.input, middle, name="lower")
        return lower, keras.Model(middle, self.base.output, name="upper")

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
        shape = (self.batch_size, *self._plan.network_shape)
        self._logits = compiled_forward(self._network, shape)
        self._features = compiled_forward(self._network.base, shape)

    def probability(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of Hit-or-Maybe, shape ``(n,)``."""
        return logits_to_probability(self._run(self._logits, X))

    def features(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return the flattened output of the convolutional base, shape ``(n, d)``."""
        return self._run(self._features, X)

    def _run(self, call: Callable[[Any], Any], X: NDArray[Any]) -> NDArray[np.float32]:
        def rows(index: NDArray[np.intp]) -> NDArray[np.float32]:
            return self._network.standardised(prepare(np.asarray(X[index[0] : index[-1] + 1]), self._plan.prepare))

        with self._device.scope():
            return in_fixed_batches(call, rows, len(X), self.batch_size)


def fixed_batch(plan: NetworkPlan) -> int:
    """Return the batch that inference is compiled for: vectors are cheap, pictures fill the memory."""
    return 256 if plan.rank == 1 else 16


def compiled_forward(model: Callable[..., Any], shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """Compile ``model(x, training=False)`` for one shape ``(batch, ...)``; XLA is left off, it slows CPUs down."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)], jit_compile=False, autograph=False)
    def forward(x: Any) -> Any:
        return tf.cast(model(x, training=False), tf.float32)

    compiled: Callable[[Any], Any] = forward
    return compiled


def in_fixed_batches(
    call: Callable[[Any], Any], rows: Callable[[NDArray[np.intp]], NDArray[np.float32]], n: int, batch_size: int
) -> NDArray[np.float32]:
    """Run ``n`` rows in batches of one shape, the last one padded with zeros; ``rows`` hands them out by number."""
    parts = []
    for start in range(0, n, batch_size):
        values = rows(np.arange(start, min(start + batch_size, n)))
        batch = values
        if len(values) < batch_size:
            batch = np.zeros((batch_size, *values.shape[1:]), dtype=np.float32)
            batch[: len(values)] = values
        parts.append(np.asarray(call(batch))[: len(values)])
    return np.concatenate(parts)


def logits_to_probability(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``1 - softmax(logits)[miss]``, computed so that it does not saturate early; shape ``(n,)``."""
    values = np.asarray(logits, dtype=np.float64)
    return sigmoid(np.logaddexp.reduce(values[:, 1:], axis=1) - values[:, 0])


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
