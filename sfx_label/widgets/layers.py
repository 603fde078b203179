"""What the viewer can show of a frame: raw, GCN, LCN, difference, spots and row profile, each made when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FrameReadError
from sfx_label.frames.records import FrameRead
from sfx_label.frames.sequence import Frames
from sfx_label.preprocess.contrast import Preprocessing, central_crop, gcn
from sfx_label.preprocess.spots import SpotList, SpotSettings, find_spots
from sfx_label.widgets.coding import CodedPlane, encode, pooled

__all__ = ["LAYERS", "FrameLayers", "PlacedPlane"]

LAYERS = ("raw", "gcn", "lcn", "difference")
_KEPT_BYTES = 256 * 2**20
Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class PlacedPlane:
    """A coded layer and where it lies on the frame.

    Parameters
    ----------
    plane
        The coded pixels.
    x0, y0
        Column and row of the frame under the layer's first pixel.
    step
        Frame pixels per pixel of the layer.
    """

    plane: CodedPlane
    x0: int = 0
    y0: int = 0
    step: int = 1


class FrameLayers:
    """The layers of the frames of a run, computed on demand by the same functions that feed the models.

    Parameters
    ----------
    frames
        The run.
    preprocessing
        How a model sees a frame; the LCN layer and the row profile follow it.
    spot_settings
        Of the spot finder; None for its defaults.
    """

    def __init__(self, frames: Frames, preprocessing: Preprocessing, spot_settings: SpotSettings | None = None) -> None:
        self.frames = frames
        self.preprocessing = replace(preprocessing, output="lcn")
        self._spot_settings = spot_settings
        self._mask = frames.mask
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = RLock()

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Mask of the run, (rows, columns), True = good."""
        return self._mask

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """First column, first row, columns and rows of the part that a model sees."""
        _, height, width = self.frames.shape
        side = self.preprocessing.crop
        across, down = (length if side is None else min(length, side) for length in (width, height))
        return (width - across) // 2, (height - down) // 2, across, down

    def read(self, index: int) -> FrameRead:
        """Read a frame with its state; it is kept for the other layers."""
        return self._keep(("read", index), lambda: self.frames.read(index))

    def layer(self, name: str, index: int, step: int = 1) -> PlacedPlane:
        """Make a layer of a frame.

        Parameters
        ----------
        name
            One of `LAYERS`.
        index
            Place in the run.
        step
            Frame pixels per pixel of the layer; more than 1 for a preview.

        Raises
        ------
        FrameReadError
            If there are no pixels, or the layer cannot be made of them.
        """
        pixels, x0, y0 = self._pixels(name, index)
        limit = self.lcn_limit
        plane = encode(pixels, (-limit, limit) if name == "lcn" else None)
        if step == 1:
            return PlacedPlane(plane, x0, y0)
        mask = self._mask if self._mask is not None and pixels.shape == self._mask.shape else None
        return PlacedPlane(pooled(plane, step, mask), x0, y0, step)

    @property
    def lcn_limit(self) -> float:
        """Largest LCN value that the window allows: ``sqrt(window^2 - 1)``."""
        return float(np.sqrt(self.preprocessing.window**2 - 1))

    def spots(self, index: int) -> SpotList:
        """Find the spots of the whole frame, outside the run's mask."""
        metadata = self.frames.frame_metadata(index)
        return self._keep(
            ("spots", index), lambda: find_spots(self._data(index), self._mask, self._spot_settings, metadata)
        )

    def profile(self, index: int) -> tuple[int, NDArray[np.float32]]:
        """Row-wise decomposition: the frame row of the first value, and the values."""
        recipe = replace(self.preprocessing, output="rwd")
        values = self._keep(("rwd", index), lambda: recipe.apply(self._data(index), self._mask))
        return self.crop[1] + recipe.window // 2, values

    def value(self, index: int, x: int, y: int) -> tuple[str, str]:
        """Exact raw value and LCN value of one pixel, as text."""
        raw = self._data(index)[y, x]
        z, x0, y0 = self._pixels("lcn", index)
        inside = 0 <= y - y0 < z.shape[0] and 0 <= x - x0 < z.shape[1]
        return f"{raw:.9g}", f"{z[y - y0, x - x0]:.2f}" if inside else "outside"

    def _pixels(self, name: str, index: int) -> tuple[NDArray[Any], int, int]:
        """Pixels of a layer, and column and row of the first one."""
        x0, y0, _, _ = self.crop
        if name == "raw":
            return self._data(index), 0, 0
        if name == "difference":
            return self._keep(("difference", index), lambda: self._difference(index)), 0, 0
        if name == "gcn":
            cut = central_crop(self._data(index), self.preprocessing.crop)
            mask = None if self._mask is None else central_crop(self._mask, self.preprocessing.crop)
            return self._keep(("gcn", index), lambda: gcn(cut, mask if self.preprocessing.masked else None)), x0, y0
        z = self._keep(("lcn", index), lambda: self.preprocessing.apply(self._data(index), self._mask))
        half = self.preprocessing.window // 2
        return z, x0 + half, y0 + half

    def _difference(self, index: int) -> NDArray[np.float32]:
        """Subtract the mean of the frames before and after, which shows what is in this frame alone."""
        around = [near for near in (index - 1, index + 1) if 0 <= near < len(self.frames)]
        readable = [data for near in around if (data := self.read(near).data) is not None]
        if not readable:
            raise FrameReadError(f"frame {index} has no readable neighbour to be compared with; choose another layer")
        mean = sum(data.astype(np.float32) for data in readable) / np.float32(len(readable))
        return np.asarray(self._data(index).astype(np.float32) - mean, np.float32)

    def _data(self, index: int) -> NDArray[Any]:
        read = self.read(index)
        if read.data is None:
            raise FrameReadError(f"frame {index} cannot be shown: {read.message}")
        return read.data

    def _keep(self, name: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what was made under that name of late, or make it."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]  # type: ignore[no-any-return]
        made = make()
        with self._lock:
            self._kept[name] = made
            while sum(map(_size, self._kept.values())) > _KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return made


def _size(kept: Any) -> int:
    """Bytes of what is kept; spot lists hardly count."""
    pixels = kept.data if isinstance(kept, FrameRead) else kept
    return int(getattr(pixels, "nbytes", 1024))
