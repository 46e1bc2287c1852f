"""Runs one row: its corpus, its server, and its contenders in turn, round by round."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, evolve, field, frozen

from .certificates import make_certificates
from .check import check
from .contenders import ContenderFailed, Measured, Programs
from .corpus import Corpus, make, seed, write_first_rows
from .measure import Job
from .nginx import Nginx
from .nginx_config import HOST, Ends
from .rows import Contender, Row

_TRIES = 2  # with each number of connections, before the clock starts
_SPEC = Path(__file__).parent.parent / "specs" / "swagger.json"


@frozen(kw_only=True)
class Setup:
    """What holds for a whole run.

    Attributes:
        folder: An empty folder in memory.
        disk: An empty folder on a disk.
        port: Port of the API; the storage has the next one.
        hca: Interpreter of the reference client's environment.
        rounds: How often each contender runs.
        say: Told of each step.
    """

    folder: Path
    disk: Path
    port: int
    hca: Path | None
    rounds: int
    say: Callable[[str], None]


@define
class Outcome:
    """The result of a contender."""

    contender: Contender
    runs: list[Measured] = field(factory=list)
    connections: int = 0
    error: str | None = None


def run_row(row: Row, setup: Setup) -> list[Outcome]:
    """Run a row; whatever it wrote is removed."""
    folder = setup.folder / row.name
    folder.mkdir()
    try:
        return _run(row, setup, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(row: Row, setup: Setup, folder: Path) -> list[Outcome]:
    ends = Ends(scheme="https" if row.serving.tls else "http", port=setup.port)
    setup.say(f"{row.name}: makes {row.plan.rows:,} files")
    corpus = make(row.plan, folder / "corpus", api=ends.api, storage=ends.storage, spec=_SPEC)
    certificates = make_certificates(folder / "tls", HOST) if row.serving.tls else None
    programs = Programs(setup.hca, certificates.authority if certificates else None)
    server = Nginx(folder / "nginx", corpus, row.serving, setup.port, certificates)
    outcomes = [Outcome(contender) for contender in row.contenders]
    with server:
        field_of_play = _Field(row, setup, folder, corpus, programs, server, f"{ends.api}/v1")
        for outcome in outcomes:
            field_of_play.attempt(outcome, field_of_play.get_ready)
        for number in range(min(setup.rounds, row.rounds or setup.rounds)):
            turn = number % len(outcomes)  # nobody always runs after the same one
            for outcome in (*outcomes[turn:], *outcomes[:turn]):
                field_of_play.attempt(outcome, field_of_play.measure)
        for outcome in outcomes:
            shutil.rmtree(field_of_play.download_dir(outcome.contender), ignore_errors=True)
    return outcomes


@frozen
class _Field:
    """Where the contenders of one row meet."""

    row: Row
    setup: Setup
    folder: Path
    corpus: Corpus
    programs: Programs
    server: Nginx
    url: str

    def attempt(self, outcome: Outcome, step: Callable[[Outcome], None]) -> None:
        """Do something with a contender that has not failed yet."""
        if outcome.error is None:
            try:
                step(outcome)
            except (ContenderFailed, OSError) as error:
                outcome.error = str(error)[:300]
                self.setup.say(f"{self.row.name}: {outcome.contender.name} failed: {error}")

    def get_ready(self, outcome: Outcome) -> None:
        """Do what comes before the clock: fill a store, run once, choose a number."""
        contender = outcome.contender
        outcome.connections = contender.connections[0]
        if not self.row.plan.served:
            folder = self.download_dir(contender)
            folder.mkdir()
            seed(self.row.plan, folder, contender.limit)
        if contender.primed:
            self._run(outcome)
        if len(contender.connections) > 1:
            times: dict[int, float] = {}
            for outcome.connections in contender.connections:
                times[outcome.connections] = min(self._run(outcome).wall for _ in range(_TRIES))
            outcome.connections = min(times, key=lambda number: times[number])

    def measure(self, outcome: Outcome) -> None:
        measured = self._run(outcome)
        outcome.runs.append(measured)
        self.setup.say(
            f"{self.row.name}: {outcome.contender.name}: {measured.wall:.3f} s,"
            f" {measured.cpu:.2f} s CPU, {measured.rss / 1e6:.0f} MB, {measured.calls} API calls"
        )

    def download_dir(self, contender: Contender) -> Path:
        root = self.setup.disk if self.row.on_disk else self.folder
        return root / f"download-{self.row.contenders.index(contender)}"

    def _run(self, outcome: Outcome) -> Measured:
        contender = outcome.contender
        with self._folders(contender) as (target, scratch):
            if self.row.on_disk:
                os.sync()  # what others wrote is not to be waited for
            job = self._job(outcome, target)
            self.server.calls()
            measured = self.programs.run(contender, job, scratch)
            calls = self.server.calls()
            check(self.row, self.corpus, contender, target, scratch)
        return evolve(measured, calls=calls)

    @contextmanager
    def _folders(self, contender: Contender) -> Iterator[tuple[Path, Path]]:
        """Yield a download directory, fresh unless it was seeded, and a fresh scratch folder."""
        target, scratch = self.download_dir(contender), self.folder / "scratch"
        scratch.mkdir()
        target.mkdir(exist_ok=not self.row.plan.served)
        try:
            yield target, scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if self.row.plan.served:
                shutil.rmtree(target, ignore_errors=True)

    def _job(self, outcome: Outcome, target: Path) -> Job:
        contender = outcome.contender
        manifest = self.corpus.manifest
        if contender.limit is not None:
            manifest = self.folder / "first-rows" / manifest.name
            if not manifest.exists():
                manifest.parent.mkdir()
                write_first_rows(self.corpus, contender.limit, manifest)
        return Job(
            url=self.url,
            manifest=str(manifest),
            layout=self.row.layout,
            download_dir=str(target),
            urls=str(self.corpus.calls if contender.asks_api else self.corpus.urls),
            processes=contender.processes,
            connections=outcome.connections,
        )
