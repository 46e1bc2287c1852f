"""The table of workloads, as data: what each row downloads, who takes part, and the goals."""

from typing import Literal

from attrs import frozen

from .corpus import Files, Plan
from .nginx_config import Serving

MIB = 1 << 20
Figure = Literal["speed", "calls", "cpu", "rss"]
Module = Literal["ours", "peer", "curl", "raw"]


@frozen(kw_only=True)
class Contender:
    """Who takes part in a row.

    Attributes:
        name: Its name in the tables.
        module: The script that is its process.
        processes: How many processes work.
        connections: Numbers of connections; the best one, tried out before the clock, is taken.
        asks_api: It gets the API's URL of each file, which redirects it to the storage.
        limit: It gets only so many rows of the manifest.
        primed: It has run once before, unmeasured, over the same files.
    """

    name: str
    module: Module
    processes: int = 1
    connections: tuple[int, ...] = (0,)
    asks_api: bool = False
    limit: int | None = None
    primed: bool = False


@frozen(kw_only=True)
class Goal:
    """What is aimed at.

    Attributes:
        contender: Whose figure it is.
        figure: ``speed``: how many times as fast as `against`; ``calls``: API calls, as a part of
            those of `against`; ``cpu``: seconds of processor a GiB; ``rss``: peak memory in MB,
            or as a multiple of that of `against`.
        against: Whom it is compared with.
        least: What it has to reach, or
        most: what it may not exceed.
    """

    contender: str
    figure: Figure
    against: str | None = None
    least: float | None = None
    most: float | None = None


_PLAIN = Serving()


@frozen(kw_only=True)
class Row:
    """One workload.

    Attributes:
        name: Its name, for ``--only``.
        title: What it shows.
        plan: What is downloaded.
        contenders: Who takes part.
        goals: What is aimed at.
        layout: Layout of the download.
        serving: How storage and API answer.
        on_disk: The download directory is on a disk, not in memory.
        rounds: The most rounds it gets, where each takes long.
        by_name: It is run only when it is named: it takes much memory and many minutes.
    """

    name: str
    title: str
    plan: Plan
    contenders: tuple[Contender, ...]
    goals: tuple[Goal, ...]
    layout: Literal["none", "bundle"] = "none"
    serving: Serving = _PLAIN
    on_disk: bool = False
    rounds: int | None = None
    by_name: bool = False

    @property
    def in_mib(self) -> bool:
        """Its rate is told in MiB, not in files."""
        return self.plan.bytes // self.plan.rows >= MIB


OURS = Contender(name="ours", module="ours")
OURS_2 = Contender(name="ours, 2 processes", module="ours", processes=2)
HCA = Contender(name="hca", module="peer")
RAW = Contender(name="raw sockets", module="raw", connections=(2, 4, 8, 16))
CURL_16 = Contender(name="curl", module="curl", connections=(16,))
CURL_64 = Contender(name="curl", module="curl", connections=(64,), asks_api=True)

_SMALL = Files(20, 1000)
_LARGE = Plan(bundles=1, files=(Files(8, 256 * MIB),), scaled="sizes")


def speed(contender: Contender, against: Contender, least: float) -> Goal:
    return Goal(contender=contender.name, figure="speed", against=against.name, least=least)


def _memory(name: str, title: str, distinct: int | None) -> Row:
    return Row(
        name=name,
        title=title,
        plan=Plan(bundles=50_000, files=(Files(20, 64),), distinct=distinct, served=False),
        contenders=(
            Contender(name="ours, all rows", module="ours"),
            Contender(name="ours, 1,000 rows", module="ours", limit=1000),
        ),
        goals=(
            Goal(contender="ours, all rows", figure="rss", most=56),
            Goal(contender="ours, all rows", figure="rss", against="ours, 1,000 rows", most=1.1),
        ),
        rounds=3,
        by_name=distinct is None,
    )


ROWS = (
    Row(
        name="small",
        title="many small files",
        plan=Plan(bundles=250, files=(_SMALL,)),
        contenders=(OURS, OURS_2, HCA, CURL_16),
        goals=(
            speed(OURS, HCA, 13),
            speed(OURS_2, HCA, 16),
        ),
    ),
    Row(
        name="latency",
        title="small files; each API call waits 100 ms, each storage request 30 ms",
        plan=Plan(bundles=50, files=(_SMALL,)),
        contenders=(OURS, HCA, CURL_64),
        goals=(
            speed(OURS, HCA, 64),
            Goal(contender="ours", figure="calls", against="hca", most=0.05),
        ),
        serving=Serving(api_delay=0.1, storage_delay=0.03),
    ),
    Row(
        name="bundles",
        title="bundles of 14 JSON files and 2 of 1 MiB, layout bundle",
        plan=Plan(
            bundles=500, files=(Files(14, 1024, spread=3072, indexed=True), Files(2, 1 * MIB))
        ),
        contenders=(OURS, OURS_2, HCA, RAW),
        goals=(
            speed(OURS, HCA, 6.5),
            speed(OURS_2, HCA, 8.5),
        ),
        layout="bundle",
    ),
    Row(
        name="large",
        title="large files, in memory",
        plan=_LARGE,
        contenders=(OURS, HCA, RAW),
        goals=(
            speed(OURS, HCA, 1.0),
            speed(OURS, RAW, 0.93),
            Goal(contender="ours", figure="cpu", most=2.0),
        ),
    ),
    Row(
        name="disk",
        title="large files, on a disk",
        plan=_LARGE,
        contenders=(OURS, HCA, RAW),
        goals=(speed(OURS, HCA, 1.2),),
        on_disk=True,
    ),
    Row(
        name="tls-small",
        title="small files over TLS",
        plan=Plan(bundles=100, files=(_SMALL,)),
        contenders=(OURS, HCA),
        goals=(speed(OURS, HCA, 9),),
        serving=Serving(tls=True),
    ),
    Row(
        name="tls-large",
        title="large files over TLS",
        plan=_LARGE,
        contenders=(OURS, HCA),
        goals=(speed(OURS, HCA, 1.1),),
        serving=Serving(tls=True),
    ),
    Row(
        name="again",
        title="a second run, everything is there",
        plan=Plan(bundles=5_000, files=(Files(20, 64),), served=False),
        contenders=(Contender(name="ours", module="ours", primed=True), HCA),
        goals=(speed(OURS, HCA, 12),),
    ),
    _memory("memory", "memory of a long manifest, 1,000 contents, everything is there", 1000),
    _memory("memory-distinct", "the same, each content another", None),
    Row(
        name="segments",
        title="one large file, 50 MB/s a connection",
        plan=Plan(bundles=1, files=(Files(1, 2048 * MIB),), scaled="sizes"),
        contenders=(OURS, HCA),
        goals=(speed(OURS, HCA, 6),),
        serving=Serving(rate=50_000_000),
        rounds=3,
    ),
)
