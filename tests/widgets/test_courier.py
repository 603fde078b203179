"""The newest wishes are served first and the stale ones never."""

from __future__ import annotations

import threading
from typing import Any

from sfx_label.widgets.courier import Courier


class Kitchen:
    """Serves slowly, one wish for each release of the gate."""

    def __init__(self) -> None:
        self.served: list[tuple[str, int]] = []
        self.gate, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.entered = threading.Semaphore(0)

    def __call__(self, client: str, wish: Any) -> None:
        self.entered.release()
        assert self.gate.acquire(timeout=20)
        self.served.append((client, wish["id"]))
        self.done.release()

    def serve(self, count: int) -> None:
        for _ in range(count):
            self.gate.release()
            assert self.done.acquire(timeout=20)


def test_a_new_list_drops_what_the_old_one_still_held() -> None:
    kitchen = Kitchen()
    courier = Courier(kitchen)
    courier.want("a", [{"id": 1}, {"id": 2}, {"id": 3}])
    assert kitchen.entered.acquire(timeout=20)
    courier.want("a", [{"id": 1}, {"id": 9}])
    kitchen.serve(2)
    assert kitchen.served == [("a", 1), ("a", 9)]
    courier.close()


def test_questions_come_before_lists_and_the_page_that_moved_last_before_others() -> None:
    kitchen = Kitchen()
    courier = Courier(kitchen)
    courier.want("a", [{"id": 1}, {"id": 2}])
    assert kitchen.entered.acquire(timeout=20)
    courier.want("b", [{"id": 5}])
    courier.ask("a", {"id": 7})
    kitchen.serve(4)
    assert kitchen.served == [("a", 1), ("a", 7), ("b", 5), ("a", 2)]
    courier.close()


def test_a_wish_that_breaks_does_not_end_the_service() -> None:
    served = threading.Event()

    def serve(client: str, wish: Any) -> None:
        if wish["id"] == 1:
            raise RuntimeError("out of paint")
        served.set()

    courier = Courier(serve)
    courier.want("a", [{"id": 1}, {"id": 2}])
    assert served.wait(20)
    courier.close()


def test_closing_drops_everything_and_ends_the_thread() -> None:
    kitchen = Kitchen()
    courier = Courier(kitchen)
    courier.want("a", [{"id": 1}, {"id": 2}])
    assert kitchen.entered.acquire(timeout=20)
    courier.close()
    kitchen.serve(1)
    courier.want("a", [{"id": 3}])
    for thread in threading.enumerate():
        if thread.name == "sfx-label-courier":
            thread.join(5)
            assert not thread.is_alive()
    assert kitchen.served == [("a", 1)]
