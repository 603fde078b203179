"""The labeller: the frame viewer with one key a label, and every label on the disk before it counts as saved."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.frames.sequence import Frames
from sfx_label.labels.events import Event, Kind
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.labels.selection import strata_order, uncertain_order
from sfx_label.labels.store import LabelStore
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.preprocess.spots import count_spots
from sfx_label.widgets.labelling import LabellingSession, Outcome
from sfx_label.widgets.orders import ORDERS, positions_of
from sfx_label.widgets.viewer import Buffers, FrameViewer

if TYPE_CHECKING:
    import pandas as pd

    from sfx_label.models.bundle import ModelBundle

__all__ = ["FLAGS", "Labeller"]

FLAGS = ("ice", "half a detector", "jet streak", "saturated", "two crystals", "shadow")
MOST_MEASURED = 2000  # frames that are counted or scored for an order; the others follow at random
Callback = Callable[[Event], object]


class Labeller(FrameViewer):
    """Label frames as Hit, Maybe or Miss at the keyboard: one key labels and shows the next frame.

    A label counts as saved when the kernel has it on the disk; until then the page keeps it and sends it again.
    Press ``?`` for all keys.

    Parameters
    ----------
    frames
        The run.
    store
        Open label store, or the path of one.
    annotator
        Who labels; default the store's annotator.
    order
        ``"file"``, ``"random"`` (the default: an unbiased sample), ``"spots"`` (each spot-count stratum in turn),
        ``"uncertain"`` (what `model` is least sure of), ``"disagreement"`` (where annotators differ), or any iterable
        of frame numbers. It begins with the first frame that this annotator has not labelled.
    preprocessing
        How a model sees a frame; default that of `model`, else as in the paper.
    model
        Whose opinion is shown after a label in blind mode, else before.
    blind
        Hide what spot rule and model say until the frame is labelled.
    target
        Number of labels to aim for.
    seed
        Of the orders; the same seed takes a session up again.
    spot_counts
        Spots per frame, where they are known already.
    flags
        Reasons offered for a flag.
    **options
        As for `FrameViewer`: ``layer``, ``keys``, ``spot_settings``, ``renderer``, ``height``.

    Examples
    --------
    >>> lab = Labeller(frames, LabelStore.open("run95.labels", create=True))  # doctest: +SKIP
    >>> lab.index, lab.label  # doctest: +SKIP
    (559, <Label.HIT: 2>)
    """

    def __init__(
        self,
        frames: Frames,
        store: LabelStore | str | os.PathLike[str],
        *,
        annotator: str | None = None,
        order: str | Iterable[int] | ArrayLike | None = None,
        preprocessing: Preprocessing | None = None,
        model: ModelBundle | None = None,
        blind: bool = True,
        target: int = 200,
        seed: int = 0,
        spot_counts: ArrayLike | None = None,
        flags: Sequence[str] = FLAGS,
        **options: Any,
    ) -> None:
        opened = store if isinstance(store, LabelStore) else LabelStore.open(store, annotator=annotator)
        self._session = LabellingSession(frames, opened, annotator)
        self._model, self._blind, self._target, self._flags = model, blind, target, tuple(flags)
        self._counts = None if spot_counts is None else np.asarray(spot_counts)
        self._callbacks: list[Callback] = []
        self._own_client, self._own_number = f"python-{uuid.uuid4().hex[:12]}", 0
        chosen = "random" if order is None else order
        measured = isinstance(chosen, str) and chosen not in ORDERS
        recipe = preprocessing or (model.preprocessing if model is not None else None)
        super().__init__(frames, preprocessing=recipe, order="random" if measured else chosen, seed=seed, **options)
        self._session.origin = self._order_name
        if measured:
            self.queue = chosen

    # for scripts ------------------------------------------------------------------------------------------------

    @property
    def store(self) -> LabelStore:
        """Where the labels lie."""
        return self._session.store

    @property
    def annotator(self) -> str:
        """Name under which the labels count."""
        return self._session.annotator

    @property
    def label(self) -> Label | None:
        """Label that this annotator gave to the frame on screen; set it to label that frame."""
        value = int(self._session.labels[self.index]) if self.index >= 0 else UNLABELLED
        return None if value == UNLABELLED else Label(value)

    @label.setter
    def label(self, label: Label | int | str) -> None:
        self._act("label", label=int(Label.parse(label)))

    @property
    def labels(self) -> pd.DataFrame:
        """Labels of this annotator: position, file, event, label, decided_at, seconds, origin, annotator."""
        return self._session.to_frame()

    def undo(self) -> Event | None:
        """Take back this annotator's last act on this run and show its frame; None if there is none."""
        events = self._act("undo").events
        return events[0] if events else None

    def skip(self) -> None:
        """Record that the frame on screen was seen and nothing decided."""
        self._act("skip")

    def flag(self, reason: str) -> None:
        """Mark the frame on screen as odd."""
        self._act("flag", text=reason)

    def note(self, text: str) -> None:
        """Attach a remark to the frame on screen."""
        self._act("note", text=text)

    def on_label(self, callback: Callback, *, remove: bool = False) -> None:
        """Call `callback(event)` after each label that is on the disk, wherever it was given; `remove` ends that.

        It may be called in another thread than the notebook's.
        """
        if remove:
            self._callbacks.remove(callback)
        else:
            self._callbacks.append(callback)

    def refresh(self) -> None:
        """Take in what other kernels wrote into the store."""
        self._tell_labels(self._session.refresh())

    def _act(self, kind: str, **content: Any) -> Outcome:
        self._own_number += 1
        act = {"seq": self._own_number, "kind": kind, "position": self.index, **content}
        outcome = self._session.take(self._own_client, [act])
        if outcome.error:
            raise SfxLabelError(f"the {kind} of frame {self.index} is not saved: {outcome.error}")
        self._tell_labels(outcome.changed)
        for _, position, _ in outcome.undone:
            self.index = position if position >= 0 else self.index
        self._call_back(outcome.events)
        return outcome

    # the queue --------------------------------------------------------------------------------------------------

    @property
    def queue(self) -> NDArray[np.int64]:
        """Frame numbers in the order of labelling; set it to a name or to frame numbers."""
        return self._queue.copy()

    @queue.setter
    def queue(self, order: str | Iterable[int] | ArrayLike) -> None:
        if isinstance(order, str) and order == "disagreement":
            self._set_queue(order, self._session.disputed())
        elif isinstance(order, str) and order in self._orders() and order not in ORDERS:
            self._errands.ask("", {"layer": "order", "order": order, "position": 0})
        else:
            name = order if isinstance(order, str) else "own list"
            self._set_queue(name, positions_of(order, len(self._frames), self._seed))

    def _orders(self) -> list[str]:
        return [*ORDERS, "spots", *(["uncertain"] if self._model is not None else []), "disagreement"]

    def _first(self) -> int:
        return self._session.first_unlabelled(self._queue)

    def _set_queue(self, name: str, queue: NDArray[np.int64]) -> None:
        self._session.origin = name
        super()._set_queue(name, queue)

    def _measured_order(self, name: str) -> NDArray[np.int64]:
        """Order that needs a number for each frame; in an errand's thread, since it takes long."""
        shuffled = positions_of("random", len(self._frames), self._seed)
        some, rest = shuffled[:MOST_MEASURED], shuffled[MOST_MEASURED:]
        if name == "spots":
            counts = self._counts[some] if self._counts is not None else self._count(some)
            return np.concatenate([some[strata_order(counts, self._seed)], rest])
        assert self._model is not None  # offered only with a model
        scores = self._model.predict(self._frames[some])
        return np.concatenate([some[uncertain_order(scores, self._model.threshold, self._seed)], rest])

    def _count(self, some: NDArray[np.int64]) -> NDArray[Any]:
        def progress(done: int, total: int) -> None:
            if done % 20 == 0 or done == total:
                self._broadcast({"type": "news", "message": f"Counting spots: {done} of {total} frames"})

        return count_spots(self._frames[some], self._layers.mask, threads=1, progress=progress)

    # messages ---------------------------------------------------------------------------------------------------

    def _handlers(self) -> dict[str, Any]:
        return {**super()._handlers(), "acts": self._take}

    def _take(self, client: str, content: Mapping[str, Any]) -> None:
        outcome = self._session.take(client, content["acts"])
        done = {"client": client, "upTo": outcome.up_to}
        if outcome.error:
            self._broadcast({**done, "type": "failed", "message": outcome.error})
        else:
            names = ("seq", "position", "label")
            undone = [dict(zip(names, entry, strict=True)) for entry in outcome.undone]
            self._broadcast({**done, "type": "saved", "at": outcome.saved_at, "undone": undone})
        self._tell_labels(outcome.changed)
        self._offer_opinion(client, outcome.events)
        self._call_back(outcome.events)

    def _tell_labels(self, changed: Mapping[int, int]) -> None:
        if changed:
            self._broadcast({"type": "labels", "positions": list(changed), "labels": list(changed.values())})

    def _call_back(self, events: Iterable[Event]) -> None:
        for event in events:
            for callback in tuple(self._callbacks) if event.kind is Kind.LABEL else ():
                try:
                    callback(event)
                except Exception as error:
                    text = f"The label is saved, but the callback {callback!r} failed: {type(error).__name__}: {error}"
                    self._broadcast({"type": "problem", "message": text})

    def _moved(self, client: str, content: Mapping[str, Any]) -> None:
        super()._moved(client, content)
        if self._model is not None and not self._blind:
            self._errands.ask(client, {"layer": "score", "position": self.index})

    def _offer_opinion(self, client: str, events: Iterable[Event]) -> None:
        """Say what the model thinks, now that the annotator has decided."""
        for event in events:
            if self._model is not None and self._blind and event.kind is Kind.LABEL and event.position is not None:
                self._errands.ask(client, {"layer": "score", "position": event.position})

    def _make(self, layer: str, position: int, wish: Mapping[str, Any]) -> tuple[dict[str, Any], Buffers]:
        if layer == "order":
            self._set_queue(str(wish["order"]), self._measured_order(str(wish["order"])))
            return {"type": "news"}, []
        if layer == "score" and self._model is not None:
            score = float(self._model.predict(self._frames[position : position + 1])[0])
            if not np.isfinite(score):
                return {"type": "news", "message": f"The model cannot judge frame {position}."}, []
            return {"type": "suggestion", "score": score, "positive": score >= self._model.threshold}, []
        return super()._make(layer, position, wish)

    def _refusal(self, layer: str, wish: Mapping[str, Any], error: Exception) -> dict[str, Any]:
        refused = super()._refusal(layer, wish, error)
        return {"type": "problem", "message": refused["message"]} if layer in ("order", "score") else refused

    def _label_bytes(self) -> NDArray[np.int8]:
        return self._session.labels

    def _setup(self) -> dict[str, Any]:
        labeller = {
            "annotator": self.annotator, "store": self.store.path.name, "target": self._target, "blind": self._blind,
            "suggests": self._model is not None, "order": self._order_name, "orders": self._all_orders(),
            "flags": list(self._flags), "history": self._session.history(),
        }  # fmt: skip
        return {**super()._setup(), "mode": "labeller", "session": self._session.name, "labeller": labeller}

    def _all_orders(self) -> list[str]:
        known = self._orders()
        return known if self._order_name in known else [*known, self._order_name]
