"""Which device computes: chosen by name, recorded in words, and never taking more memory than it needs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sfx_label.errors import TrainingError

__all__ = ["PRECISIONS", "Device", "choose_device", "choose_precision", "list_devices"]

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Device:
    """A device of this machine.

    Parameters
    ----------
    name
        ``"cpu"`` or ``"gpu:N"``.
    description
        What it is, for people.
    compute_capability
        Of an NVIDIA GPU, else None.
    """

    name: str
    description: str
    compute_capability: tuple[int, int] | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.name.startswith("gpu")

    def scope(self) -> AbstractContextManager[Any]:
        """Return a context in which TensorFlow computes on this device."""
        import tensorflow as tf

        made: AbstractContextManager[Any] = tf.device(f"/{self.name.upper()}" if self.is_gpu else "/CPU:0")
        return made


def list_devices() -> list[Device]:
    """Return the GPUs of this machine, then the CPU; GPU memory is set to grow as needed."""
    import tensorflow as tf

    found = []
    for number, gpu in enumerate(tf.config.list_physical_devices("GPU")):
        _grow_memory(tf, gpu)
        details = tf.config.experimental.get_device_details(gpu)
        name = details.get("device_name", "GPU")
        found.append(Device(f"gpu:{number}", name, details.get("compute_capability")))
    return [*found, Device("cpu", "CPU")]


def choose_device(name: str) -> Device:
    """Return the device of that name; ``"auto"`` is the first GPU, or the CPU where there is none.

    Raises
    ------
    TrainingError
        If there is no such device.
    """
    devices = list_devices()
    wanted = devices[0].name if name == "auto" else "gpu:0" if name == "gpu" else name
    for device in devices:
        if device.name == wanted:
            return device
    names = ", ".join(device.name for device in devices)
    raise TrainingError(
        f"Devices here are {names}. Received {name!r}; for an NVIDIA GPU install sfx-label[gpu] and look at sfx-label"
        " doctor."
    )


def choose_precision(wanted: str, device: Device) -> str:
    """Return the number types of a training: ``"auto"`` mixes only where the device computes faster with it.

    Measured on CPUs, mixed precision never helped, so it is float32 there. NVIDIA GPUs from compute capability 8.0
    take bfloat16, which needs no loss scaling; 7.x take float16.

    Raises
    ------
    TrainingError
        If the name is unknown.
    """
    if wanted == "auto":
        capability = device.compute_capability or (0, 0)
        return "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16" if capability >= (7, 0) else "float32"
    if wanted not in PRECISIONS:
        raise TrainingError(f"precision is 'auto', {', '.join(map(repr, PRECISIONS))}. Received {wanted!r}.")
    return wanted


def _grow_memory(tf: Any, gpu: Any) -> None:
    try:
        tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:  # TensorFlow has used the GPU before us: its memory is taken as it is
        return
