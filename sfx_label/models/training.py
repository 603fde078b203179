"""One verb for every method: `train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sfx_label.errors import TrainingError
from sfx_label.models.dataset import Dataset
from sfx_label.models.method import EpochHook, Job, Method, StopFlag
from sfx_label.models.methods import find_methods

if TYPE_CHECKING:
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.cache import Progress

__all__ = ["METHODS", "train"]

METHODS: dict[str, Method] = find_methods()


def train(
    method: str,
    train: Dataset,
    validation: Dataset | None = None,
    *,
    seed: int = 0,
    on_epoch: EpochHook | None = None,
    stop: StopFlag | None = None,
    progress: Progress | None = None,
    device: str = "auto",
    **options: Any,
) -> ModelBundle:
    """Train a model.

    Parameters
    ----------
    method
        Name in ``METHODS``: ``"spot-count"``, ``"rwd"``, ``"cnn"``, ``"transfer"``, ``"dann"``, ...
    train
        Labelled training frames; the source for domain adaptation.
    validation
        Labelled frames that decide when to stop and where the operating point lies. They count into the label budget.
    seed
        Seeds everything that is random; on one CPU the same seed gives the same weights.
    on_epoch
        Called after each epoch as ``on_epoch(epoch, logs)``; epochs count from 1.
    stop
        Asked before each batch; training then ends with the best weights so far.
    progress
        Called as ``progress(done, total)``, in epochs.
    device
        ``"auto"`` takes a GPU where there is one; ``"cpu"``, ``"gpu:0"``. Recorded in the bundle.
    options
        Options of the method, among them ``base=`` (transfer) and ``target=`` (dann, mcc); defaults in
        ``METHODS[method].options``.

    Returns
    -------
    ModelBundle
        The trained model with its operating point and provenance.

    Raises
    ------
    TrainingError
        If method, option or data do not fit, a class has too few labels, or the loss is not a number any more.
    LeakError
        If a frame is in training and in validation.
    """
    if method not in METHODS:
        raise TrainingError(f"Methods are {', '.join(METHODS)}. Received {method!r}.")
    chosen = METHODS[method]
    complete = chosen.complete_options(options)
    chosen.check_data(train, validation)
    if validation is not None and len(validation) == 0:
        validation = None
    return chosen.fit(Job(train, validation, int(seed), complete, device, on_epoch, stop, progress))
