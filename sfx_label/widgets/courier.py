"""Makes and sends what pages ask for, in a thread of its own, so that a label never waits for a picture."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Thread
from typing import Any

__all__ = ["Courier"]

_REMEMBERED = 512
_IDLE_SECONDS = 20.0
_LOG = logging.getLogger(__name__)
Message = Mapping[str, Any]


class Courier:
    """Serves the newest wish list of each page; what is no longer on it is never made.

    Parameters
    ----------
    serve
        Makes and sends the answer to one wish of one page: ``serve(client, wish)``. What it raises is logged, so that
        one bad wish does not end the service.
    """

    def __init__(self, serve: Callable[[str, Message], None]) -> None:
        self._serve = serve
        self._wakeup = Condition()
        self._urgent: deque[tuple[str, Message]] = deque()
        self._lists: OrderedDict[str, deque[Message]] = OrderedDict()
        self._sent: dict[str, deque[int]] = {}
        self._thread: Thread | None = None
        self._closed = False

    def want(self, client: str, wishes: Sequence[Message]) -> None:
        """Replace the wish list of a page. Wishes carry an ``id``; one that was served is not served again."""
        with self._wakeup:
            served = self._sent.setdefault(client, deque(maxlen=_REMEMBERED))
            self._lists[client] = deque(wish for wish in wishes if wish.get("id") not in served)
            self._lists.move_to_end(client)
            self._start()

    def ask(self, client: str, wish: Message) -> None:
        """Serve this before any list."""
        with self._wakeup:
            self._urgent.append((client, wish))
            self._start()

    def close(self) -> None:
        """Drop all wishes and end the thread."""
        with self._wakeup:
            self._closed = True
            self._urgent.clear()
            self._lists.clear()
            self._wakeup.notify_all()

    def _start(self) -> None:
        if self._closed:
            return
        if self._thread is None:
            self._thread = Thread(target=self._run, name="sfx-label-courier", daemon=True)
            self._thread.start()
        self._wakeup.notify_all()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                self._serve(*task)
            except Exception:
                _LOG.exception("the wish %r of a page could not be answered", task[1])

    def _next(self) -> tuple[str, Message] | None:
        """Wait for a wish; None ends the thread, which starts again with the next wish."""
        with self._wakeup:
            while True:
                if self._urgent:
                    return self._urgent.popleft()
                # the page that moved last is the one that is looked at
                for client in reversed(self._lists):
                    if self._lists[client]:
                        wish = self._lists[client].popleft()
                        self._sent[client].append(int(wish.get("id", 0)))
                        return client, wish
                if self._closed or not self._wakeup.wait(_IDLE_SECONDS):
                    self._thread = None
                    return None
