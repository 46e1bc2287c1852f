"""The result of an upload."""

from typing import TYPE_CHECKING, Literal

from attrs import asdict, fields, frozen

from dss_client._display import html_table, human_size
from dss_client._json import json_text
from dss_client.types import Replica
from dss_client.versions import FQID

from .checksums import Checksums

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["UploadReport", "UploadedFile"]


@frozen(kw_only=True)
class UploadedFile:
    """One file of the new bundle.

    Attributes:
        name: Its name in the bundle.
        uuid: Its id.
        version: Its version.
        size: Its size in bytes.
        content_type: Its media type, from its name.
        indexed: Whether it is indexed for search.
        checksums: Its four checksums.
        state: ``uploaded`` now, or ``reused``: an earlier, interrupted run sent it.
    """

    name: str
    uuid: str
    version: str
    size: int
    content_type: str
    indexed: bool
    checksums: Checksums
    state: Literal["uploaded", "reused"]

    def to_dict(self) -> dict[str, object]:
        """Return the file as plain JSON values."""
        facts = asdict(self, recurse=False)
        checksums = facts.pop("checksums").to_dict()
        return {**facts, **checksums}


@frozen(kw_only=True, repr=False)
class UploadReport:
    """A bundle that was made from a directory.

    Attributes:
        bundle_uuid: Its id.
        version: Its version, and that of all its files.
        replica: The replica that it was put in.
        creator_uid: Numeric id of the user it was put by.
        files: Its files, in its order.
    """

    bundle_uuid: str
    version: str
    replica: Replica
    creator_uid: int
    files: tuple[UploadedFile, ...]

    @property
    def bundle(self) -> FQID:
        """Its fully qualified id."""
        return FQID(self.bundle_uuid, self.version)

    @property
    def bytes_total(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def bytes_uploaded(self) -> int:
        """The bytes of the files that were not there from an earlier run."""
        return sum(file.size for file in self.files if file.state == "uploaded")

    def to_frame(self) -> "DataFrame":
        """Return the files as a table of pandas, a row each.

        Raises:
            MissingExtra: pandas is not installed (extra ``pandas``).
        """
        from dss_client._tables import data_frame

        columns = [each.name for each in fields(UploadedFile) if each.name != "checksums"]
        columns += [each.name for each in fields(Checksums)]
        return data_frame((file.to_dict() for file in self.files), columns)

    def __repr__(self) -> str:
        size = human_size(self.bytes_total)
        return f"<UploadReport {self.bundle}: {len(self.files):,} files, {size}>"

    def _repr_html_(self) -> str:
        rows = ((each.name, human_size(each.size), each.state) for each in self.files)
        columns = ("name", "size", "state")
        return html_table(repr(self)[1:-1], columns, rows, total=len(self.files))

    def count(self, state: Literal["uploaded", "reused"]) -> int:
        """Return the number of files in a given state."""
        return sum(file.state == state for file in self.files)

    def to_dict(self) -> dict[str, object]:
        """Return bundle and files as plain JSON values."""
        files = [{**file.to_dict(), "creator_uid": self.creator_uid} for file in self.files]
        return {**asdict(self, recurse=False), "files": files}

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the report as a JSON text."""
        return json_text(self.to_dict(), indent=indent)
