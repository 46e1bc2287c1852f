"""The options of downloads, each declared once.

The methods of both clients, whose signatures are written by ``python -m generator``, the command
line and the parts of a download that run elsewhere take names, defaults and texts from here.
"""

import os
import threading
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from attrs import field, fields, frozen

from dss_client.errors import InvalidArgument
from dss_client.types import Replica

from .shard import Shard

if TYPE_CHECKING:
    from dss_client.transfer.progress import ProgressCallback

__all__ = ["DownloadOptions"]


@frozen(kw_only=True)
class DownloadOptions:
    """How a download is done.

    The metadata of each field has its text, ``doc``, and for numbers the ``least``. `output_dir` is
    for manifests only. `stop`, which has no text, is the clients' own: another thread sets it to
    end the download soon, with `Stopped`.
    """

    replica: Replica = field(metadata={"doc": "Replica to download from."})
    download_dir: str | os.PathLike[str] = field(
        default="", metadata={"doc": "Where to; the current directory when not given."}
    )
    output_dir: str | os.PathLike[str] | None = field(
        default=None,
        metadata={"doc": "Where the copy of the manifest goes; `download_dir` when not given."},
    )
    num_retries: int = field(
        default=10,
        metadata={
            "doc": "Failed attempts allowed per file; each MiB that is read allows one more.",
            "least": 0,
        },
    )
    min_delay_seconds: float = field(
        default=0.25,
        metadata={
            "doc": "First wait after a failure; it doubles with each, up to 60 s.",
            "least": 0,
        },
    )
    threads: int | None = field(
        default=None,
        metadata={
            "doc": "How many files are worked on at once. When not given, 8 to 16 large ones, after"
            " the number of processors, and up to 128 small ones.",
            "least": 1,
        },
    )
    verify: Literal["size", "sha256"] = field(
        default="sha256",
        metadata={
            "doc": "How a file that is in the store already is checked: ``sha256`` reads it, unless"
            " it is known to have been verified; ``size`` trusts any of the right size."
        },
    )
    durable: bool = field(
        default=True,
        metadata={
            "doc": "Bring each content to the disk before it gets its name, so that not even a"
            " power cut leaves half a file."
        },
    )
    clash: Literal["error", "rename", "skip"] = field(
        default="error",
        metadata={
            "doc": "What to do about names of a bundle that cannot both be files everywhere, such"
            " as ``a`` and ``A``: an ``error`` before any byte, ``rename`` the later, or ``skip``"
            " it."
        },
    )
    portable: bool = field(
        default=False,
        metadata={
            "doc": "Take only names that Linux, macOS and Windows can all store, not all that this"
            " system can."
        },
    )
    overwrite: bool = field(
        default=False,
        metadata={
            "doc": "Replace what differs and is at the place of a file. Otherwise such a file"
            " fails, and nothing is lost."
        },
    )
    dry_run: bool = field(
        default=False,
        metadata={"doc": "Say in the report what would be done and why, and do nothing."},
    )
    progress: "ProgressCallback | None" = field(
        default=None, eq=False, metadata={"doc": "Called with each `ProgressEvent`."}
    )
    processes: int | None = field(
        default=None,
        metadata={
            "doc": "Share the work among so many processes of this machine; each imports the main"
            " module of the program first.",
            "least": 1,
        },
    )
    executor: Executor | None = field(
        default=None,
        eq=False,
        repr=False,
        metadata={
            "doc": "Does the work in parts, instead of `processes`: any executor of"
            " `concurrent.futures`, such as that of a Dask client whose workers share the file"
            " system."
        },
    )
    shard: str | None = field(
        default=None,
        metadata={
            "doc": "Take only a share of the work, such as ``3/16``: the third of 16, the same on"
            " every machine. ``auto/16`` takes the number that a job array of Slurm, Grid Engine,"
            " PBS, LSF, AWS Batch, Google Batch or Kubernetes gives. No copy of a manifest is"
            " written. A run without it at the end checks and reports all."
        },
    )
    stop: threading.Event | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for each in fields(type(self)):
            value = getattr(self, each.name)
            least = each.metadata.get("least")
            if value is not None and least is not None and value < least:
                raise InvalidArgument(f"{each.name}={value} is too small: the least is {least}")
            choices = get_args(each.type) if get_origin(each.type) is Literal else ()
            if choices and value not in choices:
                known = " or ".join(map(repr, choices))
                raise InvalidArgument(f"{each.name}={value!r} is unknown: choose {known}")
        if self.processes is not None and self.executor is not None:
            raise InvalidArgument("processes= and executor= exclude each other")
        Shard.parse(self.shard)

    @property
    def parsed_shard(self) -> Shard:
        """The shard of the work that this run takes."""
        return Shard.parse(self.shard)
