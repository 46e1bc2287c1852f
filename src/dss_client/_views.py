"""What bundles and pages of a search can do beside holding values: tables and short texts.

Generated models derive from these classes.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._display import html_table, human_size
from ._model import Model

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["BUNDLE_COLUMNS", "BundleModel", "SearchModel"]

_FACTS = (  # of a file; the first are the columns of a manifest
    *("name", "uuid", "version", "sha256", "size"),
    *("content_type", "indexed", "crc32c", "s3_etag", "sha1"),
)
BUNDLE_COLUMNS = ("bundle_uuid", "bundle_version", *(f"file_{name}" for name in _FACTS))
"""The columns of the table of a bundle's files."""


class BundleModel(Model, frozen=True):
    """A bundle and its files."""

    uuid: str
    version: str
    files: Sequence[Any]

    def to_frame(self) -> "DataFrame":
        """Return the files as a table of pandas.

        Its first columns are those of a manifest, so that `download_manifest` takes it, and any
        selection of its rows.

        Raises:
            MissingExtra: pandas is not installed (extra ``pandas``).
        """
        from ._tables import data_frame

        return data_frame(self.to_rows(), BUNDLE_COLUMNS)

    def to_rows(self) -> Iterator[dict[str, object]]:
        """Yield the files as rows of a table, by the names of its columns."""
        for file in self.files:
            facts = (getattr(file, name) for name in _FACTS)
            yield dict(zip(BUNDLE_COLUMNS, (self.uuid, self.version, *facts), strict=True))

    def __repr__(self) -> str:
        return f"<{self._title()}>"

    def __str__(self) -> str:
        return repr(self)

    def _title(self) -> str:
        size = human_size(sum(file.size for file in self.files))
        count = len(self.files)
        return (
            f"{type(self).__name__} {self.uuid}.{self.version}:"
            f" {count:,} file{'s' if count != 1 else ''}, {size}"
        )

    def _repr_html_(self) -> str:
        rows = ((file.name, human_size(file.size), file.content_type) for file in self.files)
        columns = ("name", "size", "content type")
        return html_table(self._title(), columns, rows, total=len(self.files))


class SearchModel(Model, frozen=True):
    """A page of what a search finds."""

    results: Sequence[Any]
    total_hits: int

    def to_frame(self, fields: Sequence[str] = ()) -> "DataFrame":
        """Return the hits of this page as a table of pandas.

        `dss_client.search.hits_frame` makes one of the hits of all pages.

        Args:
            fields: What to take of the metadata, which only the raw format has: paths such as
                ``files.donor_organism_json.genus_species.text``, through lists. Several values are
                joined by `` || ``.

        Raises:
            InvalidArgument: There are fields, and the hits have no metadata.
            MissingExtra: pandas is not installed (extra ``pandas``).
        """
        from ._tables import data_frame, hit_columns, hit_rows

        hits = ((hit.bundle_fqid, hit.metadata) for hit in self.results)
        return data_frame(hit_rows(hits, fields), hit_columns(fields))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.results):,} of {self.total_hits:,} hits>"

    def __str__(self) -> str:
        return repr(self)
