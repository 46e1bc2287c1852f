"""One file of the service, put at a path that the user names."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from dss_client.errors import InvalidArgument
from dss_client.manifest import MAX_SIZE
from dss_client.versions import normal_uuid, parse_version

from .errors import FileDownloadError, only_own_errors
from .options import DownloadOptions
from .plan import BundlePlan
from .pool import wait_for
from .report import DownloadError, FileReport
from .requests import PlannedRequest
from .run import run_requests
from .source import HasSource, Source, as_source
from .store import FileStore, is_regular, sha256_of
from .task import FileTask

__all__ = ["download_file"]


def download_file(
    source: Source | HasSource,
    options: DownloadOptions,
    *,
    uuid: str,
    path: str | os.PathLike[str],
    version: str | None = None,
) -> FileReport:
    """Download one file to a path; see `DSSClient`.

    What comes is collected in a hidden directory beside the path, where the next run finds it.

    Args:
        source: A client, or anything that can locate files and open contents.
        options: How to download; its directory does not count.
        uuid: Id of the file.
        path: Where to.
        version: Its version; the latest when not given.

    Raises:
        InvalidArgument: The path is a directory.
        FileDownloadError: It failed, or another file is at the path.
        DSSError: The service has no such file, or failed.
    """
    target = Path(path)
    with only_own_errors(target.parent):
        _refuse_no_file(target, is_directory=os.fspath(path).endswith(("/", os.sep)))
    if version is not None:
        parse_version(version)
    asked, file = as_source(source), normal_uuid(uuid)
    facts = wait_for(
        lambda: asked.file_facts(uuid=file, version=version, replica=options.replica), options.stop
    )
    task = FileTask(
        bundle=None,
        name=os.fsencode(target.name).decode("utf-8", "replace"),  # of any bytes
        uuid=file,
        version=version or facts.version or None,
        sha256=facts.sha256.lower(),
        size=facts.size,
    )
    if facts.size > MAX_SIZE:
        raise FileDownloadError(task.name, f"{facts.size} bytes are more than storage can hold")
    with only_own_errors(target.parent):
        if _is_there(task, target, overwrite=options.overwrite):
            return evolve(task.report("reused", reason="it was there, and is right"), path=target)
        report = _fetch(source, options, task, _collecting(target))
        _put(Path(str(report.path)), task, target, options)
    return evolve(report, state="downloaded", path=target)


def _refuse_no_file(target: Path, *, is_directory: bool) -> None:
    """Refuse a path that cannot be that of a file.

    Raises:
        InvalidArgument: It is a directory, or has a NUL.
    """
    if "\0" in str(target):
        raise InvalidArgument(f"{str(target)!r} is not a path: it has a NUL")
    if not is_directory:
        with suppress(FileNotFoundError, NotADirectoryError):
            # Unlike is_dir on Python 3.14, it says at once that a name is too long.
            is_directory = stat.S_ISDIR(target.stat().st_mode)
    if is_directory:
        raise InvalidArgument(
            f"{target} is a directory, and a file of a DSS has no name of its own: name the file,"
            f" such as {target / 'matrix.mtx'}"
        )


def _collecting(target: Path) -> Path:
    """Return the directory in which a file is collected, the same for each run."""
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()
    return target.with_name(f".dss-{digest[:16]}.part")


def _is_there(task: FileTask, target: Path, *, overwrite: bool) -> bool:
    """Tell whether the file is at its path already.

    Raises:
        FileDownloadError: Another one is there, and is not to be replaced.
    """
    if not os.path.lexists(target):
        return False
    is_alike = is_regular(target) and target.stat().st_size == task.size
    if is_alike and sha256_of(target) == task.sha256:
        return True
    if not overwrite:
        raise FileDownloadError(
            task.name,
            f"another file is at {target}: move it out of the way, or replace it"
            " (overwrite=True, --overwrite)",
        )
    return False


def _fetch(
    source: Source | HasSource, options: DownloadOptions, task: FileTask, folder: Path
) -> FileReport:
    """Download a file to the store below a directory.

    Raises:
        FileDownloadError: It failed.
    """
    plan = BundlePlan(bundle=None, wanted=[task])
    there = evolve(options, download_dir=folder)
    try:
        report = run_requests(source, [PlannedRequest(number=0, planned=plan)], there)
    except DownloadError as error:
        raise error.report.errors[0] from None
    return report.files[0]


def _put(stored: Path, task: FileTask, target: Path, options: DownloadOptions) -> None:
    """Give a verified file its final name, and remove the directory it was collected in.

    Raises:
        FileDownloadError: Meanwhile another file has come to its path.
    """
    if _is_there(task, target, overwrite=options.overwrite):
        stored.unlink(missing_ok=True)
    else:
        stored.replace(target)
        if options.durable:
            FileStore(target.parent).sync_folders([str(target.parent)])
    for folder in _folders_below(_collecting(target)):
        with suppress(OSError):  # another run is at work there
            folder.rmdir()


def _folders_below(root: Path) -> Iterator[Path]:
    for base, _, _ in os.walk(root, topdown=False):
        yield Path(base)
