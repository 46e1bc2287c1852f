"""Work that goes on after its request was answered, looked at by polls."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from attrs import define, frozen

_WORKERS = 2
_PATIENCE = 5.0  # seconds, well below a client's time limit

Work = Callable[[], str | None]


@frozen
class Outcome:
    """How finished work ended: with a cause when it failed."""

    cause: str | None


@define
class _Job:
    work: Work
    polls_left: int
    future: Future[str | None] | None = None


class Jobs:
    """Runs pieces of work; each gives the cause of its failure, or None.

    Work is started once it was polled as often as asked for, so that a test sees exactly that
    many answers before the end, and none of the work's effects.
    """

    def __init__(self, polls: int, patience: float = _PATIENCE) -> None:
        """Make a runner whose work is done after `polls` fruitless polls.

        A poll waits up to `patience` seconds for work that is due.
        """
        self._polls = polls
        self._patience = patience
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._executor = _executor()

    def start(self, job_id: str, work: Work, polls: int | None = None) -> None:
        """Take on a piece of work under an id; `polls` is for this one only."""
        job = _Job(work=work, polls_left=self._polls if polls is None else polls)
        with self._lock:
            self._jobs[job_id] = job
            self._submit_if_due(job)

    def poll(self, job_id: str) -> Outcome | None:
        """Return how a job ended, None while it runs.

        Raises:
            KeyError: No such job was started in this run.
        """
        with self._lock:
            job = self._jobs[job_id]
            if job.future is None:
                job.polls_left -= 1
                self._submit_if_due(job)
                return None
            future = job.future
        if not wait([future], timeout=self._patience).done:
            return None
        return Outcome(cause=future.result())

    def clear(self) -> None:
        """Wait for running work, drop the rest, and forget all of it."""
        self.close()
        self._jobs.clear()
        self._executor = _executor()

    def close(self) -> None:
        """Wait for running work, drop the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit_if_due(self, job: _Job) -> None:
        if job.polls_left == 0:
            job.future = self._executor.submit(job.work)


def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_WORKERS, thread_name_prefix="dss-local-job")
