"""A trained model with everything that a prediction needs, and where it came from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import BundleError, SfxLabelError
from sfx_label.models.architectures import Architecture, Predictor, Weights, find_architecture
from sfx_label.models.bundle_file import canonical_json, read_description, read_weights, weights_digest, write_bundle
from sfx_label.models.dataset import Dataset
from sfx_label.models.inference import fill_finite, input_blocks
from sfx_label.models.provenance import LABEL_SCHEME, keys_from_groups

if TYPE_CHECKING:
    from sfx_label.frames.sequence import FrameKey, Frames
    from sfx_label.models.cache import Progress
    from sfx_label.preprocess.contrast import Preprocessing

__all__ = ["ArchitectureChoice", "ModelBundle"]


@dataclass(frozen=True)
class ArchitectureChoice:
    """An architecture of the list and its configuration.

    Parameters
    ----------
    id
        Name in the list of architectures.
    config
        Configuration, JSON-ready; checked and completed here.

    Raises
    ------
    BundleError
        If the id is unknown or the configuration is not one of it.
    """

    id: str
    config: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", self.kind.check(self.config))

    @property
    def kind(self) -> Architecture:
        """The entry in the list."""
        return find_architecture(self.id)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.kind.input_shape(self.config)


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """What `train` returns: weights, architecture, preprocessing, label scheme, operating point and provenance.

    Parameters
    ----------
    method
        Name of the training method.
    architecture
        Which network or formula, with its configuration.
    weights
        Arrays by name.
    preprocessing
        How a frame becomes an input.
    frame_shape
        Shape of the frames it was trained on, in pixels (rows, columns).
    threshold
        Operating point: a frame is positive (Hit or Maybe) if its probability is at least this.
    provenance
        Where the model comes from: frames, versions, seed, options, times, label budget. JSON-ready.
    history
        One entry per epoch: name of the curve -> value.
    label_scheme
        Meaning of the classes.

    Raises
    ------
    BundleError
        If weights and architecture do not fit.
    """

    method: str
    architecture: ArchitectureChoice
    weights: Weights
    preprocessing: Preprocessing
    frame_shape: tuple[int, int]
    threshold: float
    provenance: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, float | None], ...] = ()
    label_scheme: Mapping[str, Any] = field(default_factory=lambda: dict(LABEL_SCHEME))

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise BundleError(f"The threshold must be a finite number. Received {self.threshold!r}.")
        expected = self.architecture.kind.weight_shapes(self.architecture.config)
        shapes = {name: np.shape(values) for name, values in self.weights.items()}
        if shapes != expected:
            wrong = sorted(name for name in set(shapes) | set(expected) if shapes.get(name) != expected.get(name))
            raise BundleError(
                f"Weights and architecture {self.architecture.id!r} differ in {wrong[:3]} ({len(wrong)} in all)."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled model out: it cannot be pickled and is built again where it is needed."""
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    @property
    def digest(self) -> str:
        """SHA-256 of the weights and of everything else that is saved."""
        content = {**self._description(), "weights_sha256": weights_digest(self.weights)}
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()

    @property
    def seen_keys(self) -> frozenset[FrameKey]:
        """Keys of all frames whose labels the model has used, in training, validation or its base's training."""
        groups: list[Any] = []
        for name in ("training_keys", "validation_keys", "base_keys"):
            groups += self.provenance.get(name, [])
        return keys_from_groups(groups)

    def with_threshold(self, threshold: float) -> ModelBundle:
        """Return the same model at another operating point, recorded as chosen by hand."""
        provenance = {**self.provenance, "operating_point": {"rule": "chosen by hand", "threshold": float(threshold)}}
        return replace(self, threshold=float(threshold), provenance=provenance)

    def predict(
        self,
        data: ArrayLike | Dataset | Frames,
        *,
        device: str = "auto",
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of Hit-or-Maybe of each frame.

        Parameters
        ----------
        data
            Frames (read, preprocessed and predicted block by block, so that a run need not fit into memory), a
            data set, or inputs ``(n, ...)`` as `Preprocessing.apply_many` gives them.
        device
            ``"auto"``, ``"cpu"`` or ``"gpu:0"``.
        threads
            Threads of the preprocessing.
        progress
            Called as ``progress(done, total)``.

        Returns
        -------
        ndarray
            Float64, shape ``(n,)``, in [0, 1]; NaN where the frame cannot be used.

        Raises
        ------
        BundleError
            If the inputs are not what the model was trained on; the message says which part differs.
        """
        predictor = self._predictor(device)
        parts = [
            fill_finite(predictor.probability, rows, np.full(len(rows), np.nan))
            for rows in input_blocks(self, data, predictor.batch_size, threads=threads, progress=progress)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def predict_labels(self, data: ArrayLike | Dataset | Frames, **options: Any) -> NDArray[np.int8]:
        """Return 1 for Hit-or-Maybe, 0 for Miss, -1 where the frame cannot be used; int8, shape ``(n,)``.

        Takes what `predict` takes.
        """
        probability = self.predict(data, **options)
        labels = (probability >= self.threshold).astype(np.int8)
        labels[np.isnan(probability)] = -1
        return labels

    def embed(
        self,
        data: ArrayLike | Dataset | Frames,
        *,
        device: str = "auto",
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Return the features that the classifier decides on, float32, shape ``(n, d)``; NaN for unusable frames.

        For networks this is the flattened output of the convolutional base (paper, section 3.4.3 and Fig. 4).
        """
        predictor = self._predictor(device)
        width = predictor.features(np.zeros((1, *self.architecture.input_shape), dtype=np.float32)).shape[1]
        parts = [
            fill_finite(predictor.features, rows, np.full((len(rows), width), np.nan, dtype=np.float32))
            for rows in input_blocks(self, data, predictor.batch_size, threads=threads, progress=progress)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.float32)

    def save(self, folder: str | Path) -> Path:
        """Write the bundle as a folder of ``weights.safetensors`` and ``bundle.json``; return the folder.

        An older bundle of that name is replaced as a whole.

        Raises
        ------
        BundleError
            If the folder holds something else, or cannot be written.
        """
        write_bundle(Path(folder), self._description(), self.weights)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> ModelBundle:
        """Read a bundle. No code from the files is run, and nothing is built before it is checked.

        Raises
        ------
        BundleError
            If a file is missing, damaged, too large, not a real file, or names anything unknown.
        """
        path = Path(folder)
        description = read_description(path)
        choice = _architecture_of(description["architecture"], path)
        weights = read_weights(path, choice.id, choice.config)
        if weights_digest(weights) != description["weights_sha256"]:
            raise BundleError(
                f"The weights in {path} are not those that its bundle.json was written with; copy the bundle again."
            )
        if description["label_scheme"] != LABEL_SCHEME:
            raise BundleError(f"{path} uses a label scheme that this version does not know; update sfx-label.")
        return cls(
            method=description["method"],
            architecture=choice,
            weights=weights,
            preprocessing=_preprocessing_of(description["preprocessing"], path),
            frame_shape=_frame_shape_of(description["frame_shape"], path),
            threshold=float(description["threshold"]),
            provenance=description["provenance"],
            history=_history_of(description["history"], path),
        )

    def _description(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "architecture": {"id": self.architecture.id, "config": dict(self.architecture.config)},
            "preprocessing": self.preprocessing.to_dict(),
            "frame_shape": list(self.frame_shape),
            "label_scheme": dict(self.label_scheme),
            "threshold": self.threshold,
            "provenance": dict(self.provenance),
            "history": [dict(entry) for entry in self.history],
        }

    def _predictor(self, device: str) -> Predictor:
        """Build the model once per device and keep it: compiling takes seconds, a batch milliseconds."""
        built: dict[str, Predictor] = self.__dict__.setdefault("_predictors", {})
        if device not in built:
            built[device] = self.architecture.kind.predictor(self.architecture.config, self.weights, device)
        return built[device]


def _architecture_of(entry: Mapping[str, Any], path: Path) -> ArchitectureChoice:
    if set(entry) != {"id", "config"} or not isinstance(entry["id"], str) or not isinstance(entry["config"], dict):
        raise BundleError(
            f"The architecture in {path} must have an id and a config. Received fields {sorted(entry)[:5]!r:.200}."
        )
    return ArchitectureChoice(entry["id"], entry["config"])


def _preprocessing_of(entry: Mapping[str, Any], path: Path) -> Preprocessing:
    from sfx_label.preprocess.contrast import Preprocessing

    try:
        return Preprocessing.from_dict(entry)
    except (TypeError, ValueError, KeyError, SfxLabelError) as error:
        raise BundleError(
            f"The preprocessing in {path} is not one of this version ({error}); update sfx-label."
        ) from error


def _frame_shape_of(entry: Sequence[Any], path: Path) -> tuple[int, int]:
    if len(entry) != 2 or not all(isinstance(side, int) and 0 <= side < 2**20 for side in entry):
        raise BundleError(f"The frame shape in {path} must be two numbers of pixels. Received {entry!r:.100}.")
    return (int(entry[0]), int(entry[1]))


def _history_of(entries: Sequence[Any], path: Path) -> tuple[Mapping[str, float | None], ...]:
    for entry in entries:
        if not isinstance(entry, dict) or not all(
            value is None or isinstance(value, int | float) for value in entry.values()
        ):
            raise BundleError(f"The history in {path} must be curves of numbers. Received {entry!r:.100}.")
    return tuple(entries)
