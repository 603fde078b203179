"""Several processes of one machine, without Dask: plain child processes that are told the parts over a pipe.

They are started as ``python -m sfx_label.screening.engines_processes``, not by multiprocessing, so that a script or a
notebook needs no ``if __name__ == "__main__"``; and never forked, since TensorFlow and HDF5 keep threads and locks that
a forked child would find held for ever. A child ends when its parent is gone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import wait
from typing import IO

from sfx_label.screening.engines import Job, Outcome, PartFailure, attempt, claim_gpu, usable_cores
from sfx_label.screening.work import PartReport

__all__ = ["run_in_processes"]

ATTEMPTS = 3  # a part that kills its worker this often is given up; the others go on
PATIENCE_SECONDS = 5.0


class _Worker:
    """A process that does one part at a time."""

    def __init__(self, job: Job, slot: int) -> None:
        self.slot, self.part = slot, ""
        ours, theirs = os.pipe()
        command = [sys.executable, "-m", __name__, job.folder, str(job.threads or 1), str(slot), str(theirs)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs], text=True)
        finally:
            os.close(theirs)
        # the answers have a pipe of their own, since libraries print to the others
        self.answers: IO[str] = os.fdopen(ours, "r", encoding="utf-8")

    def give(self, part: str) -> None:
        self.part = part
        # a process that died while it had nothing to do is noticed when its answer is awaited
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.write(part + "\n")
            self._process.stdin.flush()

    def take(self) -> Outcome | None:
        """Return the outcome, or ``None`` if the process died."""
        line = self.answers.readline()
        if not line.endswith("\n"):
            return None
        answer = json.loads(line)
        return PartFailure(**answer) if "message" in answer else PartReport(**answer)

    def end(self) -> None:
        """Let the process go; what it has in hand is not waited for long."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.answers.close()


def run_in_processes(job: Job) -> Iterator[Outcome]:
    """Do the parts of a job; a process that dies is replaced and its part tried again."""
    waiting, tries = list(reversed(job.parts)), dict.fromkeys(job.parts, 0)
    workers = [_Worker(job, slot) for slot in range(min(job.workers or usable_cores(), len(job.parts)))]
    busy: dict[int, _Worker] = {}
    answered = False
    try:
        while (waiting or busy) and not job.stopped:
            for worker in [worker for worker in workers if worker not in busy.values()][: len(waiting)]:
                worker.give(waiting.pop())
                busy[worker.answers.fileno()] = worker
            for answers in wait(list(busy), timeout=0.5):
                assert isinstance(answers, int)
                worker = busy.pop(answers)
                outcome = worker.take()
                if outcome is not None:
                    answered = True
                    yield outcome
                    continue
                worker.end()
                workers[worker.slot] = _Worker(job, worker.slot)
                yield from _again(worker.part, tries, waiting)
                if not answered and sum(tries.values()) >= ATTEMPTS * len(workers):
                    yield from (
                        PartFailure(part, "No worker process can start; see its message above.") for part in waiting
                    )
                    return
    finally:
        for worker in workers:
            worker.end()


def _again(part: str, tries: dict[str, int], waiting: list[str]) -> Iterator[PartFailure]:
    tries[part] += 1
    if tries[part] < ATTEMPTS:
        waiting.append(part)
    else:
        yield PartFailure(part, f"The worker died {ATTEMPTS} times on this part (out of memory, or a damaged file?).")


def serve(folder: str, threads: int, slot: int, answers: IO[str]) -> None:
    """Do the parts whose ids come line by line on standard input, and answer each with a line of JSON."""
    claim_gpu(slot)
    for line in sys.stdin:
        outcome = attempt(folder, line.strip(), threads)
        answers.write(json.dumps(asdict(outcome)) + "\n")
        answers.flush()


if __name__ == "__main__":
    _folder, _threads, _slot, _answers = sys.argv[1:]
    with suppress(BrokenPipeError), os.fdopen(int(_answers), "w", encoding="utf-8") as _stream:
        serve(_folder, int(_threads), int(_slot), _stream)
