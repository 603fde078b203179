"""The frame viewer: detector frames on a canvas in the notebook, layer by layer."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.frames.sequence import Frames
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.preprocess.spots import SpotSettings
from sfx_label.widgets.courier import Courier
from sfx_label.widgets.layers import LAYERS, FrameLayers
from sfx_label.widgets.orders import positions_of

__all__ = ["FrameViewer"]

_BUNDLE = Path(__file__).resolve().parents[1] / "static" / "viewer.js"
_NOT_BUILT = (
    "export default { render({ el }) { el.textContent = "
    "'The front end of sfx-label is not built: run make front in its source folder, then restart the kernel.'; } };"
)
_FINDINGS = ("spots", "profile")
Renderer = Literal["auto", "2d", "webgl2"]
Buffers = list[memoryview | NDArray[Any] | bytes]


class FrameViewer(anywidget.AnyWidget):
    """Shows the frames of a run: contrast, zoom, read-out, spots and the layers that a model sees.

    Nothing of the frames is stored in the notebook: pixels travel as messages, and only when the page asks.

    Parameters
    ----------
    frames
        The run.
    preprocessing
        How a model sees a frame: crop, window, floor and mask of the LCN layer and the row profile. Default: as in the
        paper.
    order
        Order in which the arrow keys go: ``"file"``, ``"random"``, or any iterable of frame numbers.
    layer
        Layer shown first: ``"raw"``, ``"gcn"``, ``"lcn"`` or ``"difference"``.
    seed
        Of the random order.
    keys
        Changed keys, such as ``{"hit": ["a"], "miss": ["f"]}``; press ``?`` in the viewer for the names.
    spot_settings
        Of the spot finder.
    renderer
        ``"auto"`` takes WebGL2 where a graphics card draws it; ``"2d"`` or ``"webgl2"`` insist.
    height
        Height of the picture in screen px; None for most of the window.

    Examples
    --------
    >>> viewer = FrameViewer(open_frames("r0095.h5"))  # doctest: +SKIP
    >>> viewer.index = 559  # doctest: +SKIP
    """

    _esm = _BUNDLE.read_text(encoding="utf-8") if _BUNDLE.exists() else _NOT_BUILT
    _couriers: tuple[Courier, ...] = ()  # also of a viewer that could not be made
    index = traitlets.Int(-1, help="Number of the frame on screen; set it to show another.")
    layer = traitlets.Unicode("raw", help="Layer on screen; set it to show another.")

    def __init__(
        self,
        frames: Frames,
        *,
        preprocessing: Preprocessing | None = None,
        order: str | Iterable[int] | ArrayLike = "file",
        layer: str = "raw",
        seed: int = 0,
        keys: Mapping[str, Sequence[str]] | None = None,
        spot_settings: SpotSettings | None = None,
        renderer: Renderer = "auto",
        height: int | None = None,
    ) -> None:
        self._frames = frames
        self._layers = FrameLayers(frames, preprocessing or Preprocessing.paper("lcn"), spot_settings)
        self._keys = {name: list(choices) for name, choices in (keys or {}).items()}
        self._renderer, self._height, self._seed = renderer, height, seed
        self._order_name = order if isinstance(order, str) else "own list"
        self._queue = positions_of(order, len(frames), seed)
        self._state_lock = RLock()
        self._from_page = True  # no page is there yet to be told
        # pictures never wait for spots, nor spots for an order that counts the spots of a whole run
        self._couriers = tuple(Courier(self._serve) for _ in range(3))
        self._pictures, self._findings, self._errands = self._couriers
        super().__init__()
        self.layer = layer
        self.index = self._first()
        self._from_page = False
        self.on_msg(self._receive)

    @property
    def frames(self) -> Frames:
        """The run."""
        return self._frames

    @property
    def queue(self) -> NDArray[np.int64]:
        """Frame numbers in the order of the arrow keys; set it to another order."""
        return self._queue.copy()

    @queue.setter
    def queue(self, order: str | Iterable[int] | ArrayLike) -> None:
        name = order if isinstance(order, str) else "own list"
        self._set_queue(name, positions_of(order, len(self._frames), self._seed))

    def close(self) -> None:
        """Take the viewer off the page and end its thread."""
        for courier in self._couriers:
            courier.close()
        super().close()

    @traitlets.validate("index")
    def _check_index(self, proposal: dict[str, Any]) -> int:
        index, n = int(proposal["value"]), len(self._frames)
        if not (0 <= index < n or (index == -1 and n == 0)):
            raise traitlets.TraitError(f"index must be 0 to {n - 1}. Received {index}.")
        return index

    @traitlets.validate("layer")
    def _check_layer(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] not in LAYERS:
            raise traitlets.TraitError(f"layer must be one of {', '.join(LAYERS)}. Received {proposal['value']!r}.")
        return str(proposal["value"])

    @traitlets.observe("index")
    def _tell_index(self, change: dict[str, Any]) -> None:
        if not self._from_page:
            self._broadcast({"type": "goto", "position": change["new"]})

    @traitlets.observe("layer")
    def _tell_layer(self, change: dict[str, Any]) -> None:
        if not self._from_page:
            self._broadcast({"type": "layer", "layer": change["new"]})

    def _first(self) -> int:
        """Frame to begin with."""
        return int(self._queue[0]) if len(self._queue) else min(0, len(self._frames) - 1)

    def _set_queue(self, name: str, queue: NDArray[np.int64]) -> None:
        with self._state_lock:
            self._order_name, self._queue = name, queue
        self._broadcast({"type": "queue", "order": name}, [queue.astype("<i4")])

    # messages ---------------------------------------------------------------------------------------------------

    def _receive(self, _: Any, content: Any, buffers: Any) -> None:
        """Take a message of a page, in whichever thread it comes; the answer to a bad one says what is wrong."""
        handlers = self._handlers()
        try:
            handlers[content["type"]](str(content["client"]), content)
        except (SfxLabelError, traitlets.TraitError, LookupError, TypeError, ValueError) as error:
            self._broadcast({"type": "problem", "message": f"The page and the kernel disagree: {error!r}"})

    def _handlers(self) -> dict[str, Any]:
        return {
            "hello": self._greet,
            "want": self._want,
            "value": lambda client, content: self._pictures.ask(client, {**content, "layer": "value"}),
            "at": self._moved,
            "order": lambda client, content: setattr(self, "queue", str(content["order"])),
        }

    def _want(self, client: str, content: Mapping[str, Any]) -> None:
        found = [item for item in content["items"] if item["layer"] in _FINDINGS]
        self._findings.want(client, found)
        self._pictures.want(client, [item for item in content["items"] if item["layer"] not in _FINDINGS])

    def _broadcast(self, content: Mapping[str, Any], buffers: Buffers | None = None) -> None:
        self.send(dict(content), buffers or [])

    def _moved(self, client: str, content: Mapping[str, Any]) -> None:
        with self._state_lock:
            self._from_page = True
            try:
                self.index, self.layer = int(content["position"]), str(content["layer"])
            finally:
                self._from_page = False

    def _greet(self, client: str, content: Mapping[str, Any]) -> None:
        with self._state_lock:
            setup = {**self._setup(), "type": "setup", "client": client}
            buffers: Buffers = [self._queue.astype("<i4"), self._label_bytes()]
        mask = self._layers.mask
        if mask is not None:
            buffers.append(np.packbits(mask))
        self.send(setup, buffers)

    def _label_bytes(self) -> NDArray[np.int8]:
        return np.full(len(self._frames), -1, np.int8)

    def _setup(self) -> dict[str, Any]:
        n, height, width = self._frames.shape
        x0, y0, across, down = self._layers.crop
        run = {"name": self._frames.name, "format": self._frames.format, "n": n, "width": width, "height": height}
        whole = (across, down) == (width, height)
        return {
            "mode": "viewer",
            "session": uuid.uuid4().hex,
            "run": run,
            "crop": None if whole else {"x": x0, "y": y0, "width": across, "height": down},
            "geometry": self._geometry(),
            "layers": list(LAYERS),
            "layer": self.layer,
            "index": self.index,
            "keys": self._keys,
            "hasMask": self._layers.mask is not None,
            "renderer": self._renderer,
            "height": self._height,
            "labeller": None,
        }

    def _geometry(self) -> dict[str, Any]:
        known = self._frames.frame_metadata(0) if len(self._frames) else self._frames.metadata
        return {
            "beamCenterPx": None if known.beam_center_px is None else list(known.beam_center_px),
            "pixelSizeMm": known.pixel_size_mm,
            "distanceMm": known.distance_mm,
            "wavelengthAngstrom": known.wavelength_angstrom,
        }

    # pictures, in a courier's thread ----------------------------------------------------------------------------

    def _serve(self, client: str, wish: Mapping[str, Any]) -> None:
        """Answer one wish; what goes wrong is answered too, so that no page is left waiting."""
        answer = {"client": client, "id": wish.get("id"), "position": wish.get("position"), "message": ""}
        try:
            content, buffers = self._make(str(wish["layer"]), int(wish["position"]), wish)
        except Exception as error:
            content, buffers = self._refusal(str(wish.get("layer")), wish, error), []
        self.send({**answer, **content}, buffers)

    def _make(self, layer: str, position: int, wish: Mapping[str, Any]) -> tuple[dict[str, Any], Buffers]:
        if layer == "spots":
            spots = self._layers.spots(position)
            d = spots.resolution_angstrom if spots.resolution_angstrom is not None else np.full(len(spots), np.nan)
            rows = np.column_stack([spots.x, spots.y, spots.snr, d]).astype("<f4")
            return {"type": "spots", "n": len(spots)}, [np.ascontiguousarray(rows)]
        if layer == "profile":
            y0, values = self._layers.profile(position)
            return {"type": "profile", "y0": y0, "n": len(values)}, [np.ascontiguousarray(values, "<f4")]
        if layer == "value":
            x, y = int(wish["x"]), int(wish["y"])
            raw, lcn = self._layers.value(position, x, y)
            return {"type": "value", "x": x, "y": y, "raw": raw, "lcn": lcn}, []
        return self._plane(layer, position, int(wish.get("step", 1)))

    def _plane(self, layer: str, position: int, step: int) -> tuple[dict[str, Any], Buffers]:
        placed = self._layers.layer(layer, position, max(1, step))
        codes = placed.plane.codes
        read = self._layers.read(position)
        content = {
            "type": "plane", "layer": layer, "name": self._name(position),
            "status": read.status.value, "message": read.message,
            "width": codes.shape[1], "height": codes.shape[0], "x0": placed.x0, "y0": placed.y0, "step": placed.step,
            "bytes": codes.itemsize, "scale": placed.plane.scale, "offset": placed.plane.offset,
            "badCode": placed.plane.bad_code, "clipCode": placed.plane.clip_code, "exact": placed.plane.exact,
        }  # fmt: skip
        return content, [np.ascontiguousarray(codes)]

    def _refusal(self, layer: str, wish: Mapping[str, Any], error: Exception) -> dict[str, Any]:
        text = str(error) if isinstance(error, SfxLabelError) else f"{type(error).__name__}: {error}"
        if layer in ("spots", "profile"):
            return {"type": layer, "n": 0, "y0": 0, "message": text}
        if layer == "value":
            return {
                "type": "value",
                "x": wish.get("x"),
                "y": wish.get("y"),
                "raw": "not to be had",
                "lcn": "not to be had",
            }
        position = int(wish.get("position", 0))
        return {
            "type": "plane", "layer": layer, "name": self._name(position), "status": "unreadable", "message": text,
            "step": wish.get("step", 1),
        }  # fmt: skip

    def _name(self, position: int) -> str:
        """File and event of a frame without the folders, which are nobody's business on a shared screen."""
        if not 0 <= position < len(self._frames):
            return f"{self._frames.name}: no frame {position}"
        key = self._frames.keys[position]
        return f"{Path(key.path).name} {key.event}".strip()
