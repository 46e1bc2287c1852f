"""The files of an earlier run of the same upload, and which of them can be used."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import uuid4

from attrs import frozen

from dss_client.versions import create_version

from .journal import Bundle, FileState, Journal
from .send import key_of
from .staging import Staging
from .walk import SourceFile

__all__ = ["Wanted", "open_journal"]


@frozen(kw_only=True)
class Wanted:
    """The bundle that the caller asks for; None where any will do."""

    uuid: str | None
    version: str | None
    creator_uid: int

    def allows(self, bundle: Bundle) -> bool:
        """Tell whether a bundle is the one asked for."""
        return (
            self.uuid in {None, bundle.uuid}
            and self.version in {None, bundle.version}
            and self.creator_uid == bundle.creator_uid
        )

    def bundle(self) -> Bundle:
        """Return a bundle that is."""
        return Bundle(
            uuid=self.uuid or str(uuid4()),
            version=self.version or create_version(),
            creator_uid=self.creator_uid,
        )


def open_journal(
    folder: Path,
    wanted: Wanted,
    files: Sequence[SourceFile],
    staging: Staging,
    *,
    fresh: bool,
) -> Journal:
    """Return a journal with every file, those that an earlier run began as far as it came.

    Args:
        folder: Where journals of this upload are.
        wanted: The bundle that the caller asks for.
        files: The files as they are now.
        staging: Where files were sent; parts that cannot be used are removed.
        fresh: Use nothing of earlier runs.

    Raises:
        UploadError: The journal cannot be written.
    """
    found: Journal | None = None
    for left in Journal.take_over(folder):
        usable = not fresh and found is None and wanted.allows(left.bundle)
        if usable and not (left.is_closing and _sources(left) != list(files)):
            found = left
        else:
            _discard(left.files.values(), staging)
    if found is not None:
        current = {source.name: source for source in files}
        gone = {n for n, state in found.files.items() if state.source != current.get(n)}
        _discard([found.files[name] for name in gone], staging)
        found.forget(gone)
    journal = Journal.start(folder, found.bundle if found else wanted.bundle(), found=found)
    try:
        for source in files:
            if source.name not in journal.files:
                journal.add(source)
    except BaseException:
        journal.close()
        raise
    return journal


def _sources(journal: Journal) -> list[SourceFile]:
    return sorted((state.source for state in journal.files.values()), key=lambda each: each.name)


def _discard(states: Iterable[FileState], staging: Staging) -> None:
    """Remove parts that will not be joined."""
    for state in states:
        if state.upload is not None and state.checksums is None:
            staging.abort(key_of(state), state.upload)
