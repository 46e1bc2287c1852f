"""The files to download, bundle by bundle, before and after the service was asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from dss_client.transfer.names import ClashPolicy
from dss_client.types import Replica
from dss_client.versions import FQID

from .report import FileReport
from .source import Source
from .task import FileTask
from .urls import BundleSize

__all__ = ["FILES_OF_A_BUNDLE", "BundleRule", "Expanded", "Order"]

FILES_OF_A_BUNDLE = 1 << 24
"""Numbers that are kept for the files of one bundle; the service itself knows no such limit."""


@frozen(kw_only=True)
class BundleRule:
    """How bundles are planned.

    Attributes:
        replica: The replica.
        download_dir: Where to.
        clash: What to do with names that cannot both be files.
        portable: Take only names that every system can store.
        ask_urls: Ask for the contents' URLs along with a bundle whose directory is not there yet.
    """

    replica: Replica
    download_dir: Path
    clash: ClashPolicy = "error"
    portable: bool = False
    ask_urls: bool = True


@frozen(kw_only=True)
class Expanded:
    """The files of a bundle that are wanted.

    Attributes:
        bundle: The bundle, its version pinned; None for files that belong to none.
        wanted: Its files to be in place at the end.
        others: Its other files, with what is to be said of them.
        whole: How much it holds in all.
        known: URLs that were given out with it, by uuid and version.
    """

    bundle: FQID | None
    wanted: Sequence[FileTask] = ()
    others: Sequence[tuple[FileTask, FileReport]] = ()
    whole: BundleSize | None = None
    known: Mapping[tuple[str, str], str] = field(factory=dict[tuple[str, str], str], repr=False)


class Order(Protocol):
    """Files of one bundle, known already or still to be asked for. It can be pickled."""

    @property
    def number(self) -> int:
        """The bundle's place in the report."""
        ...

    @property
    def files(self) -> int:
        """About how many files it is, as far as that is known; at least 1."""
        ...

    @property
    def size(self) -> int:
        """About how many bytes, as far as that is known."""
        ...

    @property
    def is_entered(self) -> bool:
        """Whether its files are in the results already."""
        ...

    def expand(self, source: Source, rule: BundleRule) -> Expanded:
        """Return the files, asking the service for them where need be."""
        ...
