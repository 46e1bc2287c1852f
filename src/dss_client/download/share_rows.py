"""The rows of a manifest that are in a share of a download."""

from collections.abc import Generator

from dss_client.manifest import USED, ManifestReader, ManifestSource, RawRow

from .share import Share

__all__ = ["ShareReader"]


class ShareReader(ManifestReader):
    """Reads the rows of a share: whole bundles, or contents where the layout is ``none``.

    Args:
        source: The manifest.
        layout: The layout of the download.
        share: The share.

    Raises:
        ManifestError: It cannot be read, or its header lacks columns: the message names them.
    """

    def __init__(self, source: ManifestSource, layout: str, share: Share) -> None:
        super().__init__(source, allow_unnamed=layout == "bundle", needed=USED[layout])
        self._by_bundle = layout == "bundle"
        self._share = share

    def batches(self) -> Generator[list[RawRow]]:
        """Yield the rows in batches, each checked.

        Raises:
            ManifestError: A row is bad, of whatever share; it names the line and the columns.
        """
        takes, key = self._share.takes, self._key
        for batch in super().batches():
            mine = batch if self._share.count == 1 else [row for row in batch if takes(key(row))]
            if mine:
                yield mine

    def _key(self, row: RawRow) -> str:
        return f"{row[0]}.{row[1]}" if self._by_bundle else row[5]
