"""A manifest as the input of other programs that download: curl and aria2."""

import re
from collections.abc import Iterator
from typing import Literal, get_args
from urllib.parse import quote, urlencode

from dss_client._redact import redact_url
from dss_client.errors import InvalidArgument
from dss_client.manifest import ManifestError, ManifestSource, RawRow, is_joined
from dss_client.transfer.names import safe_relative_path
from dss_client.types import Replica
from dss_client.versions import FQID

from .rows import ShardReader
from .shard import Shard

_URL = re.compile(r"(?i:https?)://[^\s\x00-\x20\"\\]+")  # one that ends no line of an export

__all__ = ["ExportFormat", "export_manifest"]

ExportFormat = Literal["aria2", "curl", "sha256sum"]


def export_manifest(
    manifest: ManifestSource,
    *,
    to: ExportFormat,
    url: str = "",
    replica: Replica = "aws",
    urls: str | None = None,
) -> Iterator[str]:
    """Yield the lines of a file by which another program downloads what a manifest lists.

    Each file goes to ``<uuid>.<version>/<name>`` of its bundle. aria2 verifies the checksums itself
    (``aria2c -i FILE``); curl does not (``curl --config FILE``, then ``sha256sum -c`` with the
    export for it).

    Args:
        manifest: The manifest.
        to: ``aria2``, ``curl``, or ``sha256sum``: a list of checksums.
        url: URL of the API of the deployment, if it is not the manifest that knows the URLs.
        replica: Replica to download from.
        urls: The column that has the URLs of the files, as ``file_url``.

    Raises:
        InvalidArgument: There is neither `url` nor `urls`, or `to` is unknown.
        ManifestError: The manifest cannot be used; it names line and columns.
        UnsafeName: A name would lead out of the directory.
    """
    if to not in get_args(ExportFormat):
        known = ", ".join(get_args(ExportFormat))
        raise InvalidArgument(f"to={to!r} is not a valid format: expected one of {known}")
    if to != "sha256sum" and not url and urls is None:
        raise InvalidArgument("an export needs url=, that of the API, or urls=, a column")
    needs_files = urls is None and to != "sha256sum"
    return _lines(manifest, to, _api_url(url, replica) if needs_files else None, urls)


def _api_url(url: str, replica: Replica) -> str:
    query = urlencode({"replica": replica})
    return f"{url.rstrip('/')}/files/{{uuid}}?{query}&version={{version}}"


def _lines(
    manifest: ManifestSource, to: ExportFormat, api: str | None, urls: str | None
) -> Iterator[str]:
    if to == "curl":
        yield from ("location", "fail", "create-dirs", "globoff", "retry = 5")
    with ShardReader(manifest, "bundle", Shard.parse(None), urls) as reader:
        joined: list[RawRow] = []
        for batch in reader.batches():
            for row in batch:
                if is_joined(row):
                    joined.append(row)  # which bundles it means is known at the end
                    continue
                yield from _file(to, FQID(row[0], row[1]), row, _url(reader, row, api))
        for row in joined:
            bundles = reader.bundles_of(row)
            if bundles is None:
                reason = f"{row[2]!r}: which ids and versions of its bundles belong together?"
                raise ManifestError(reader.name, reason, columns=["bundle_uuid", "bundle_version"])
            for bundle in bundles:
                yield from _file(to, bundle, row, _url(reader, row, api))


def _url(reader: ShardReader, row: RawRow, api: str | None) -> str:
    url = reader.url(row)
    if url is None:
        return api.format(uuid=row[3], version=quote(row[4])) if api else ""
    if _URL.fullmatch(url) is None:
        shown = redact_url(url, presigned=True)
        reason = (
            f"{reader.urls} of {row[2]!r}: {shown!r} is not a valid URL: expected http(s)://..."
        )
        raise ManifestError(reader.name, reason, columns=[str(reader.urls)])
    return url


def _file(to: ExportFormat, bundle: FQID, row: RawRow, url: str) -> Iterator[str]:
    path = f"{bundle}/{safe_relative_path(row[2])}"
    sha256 = row[5].lower()
    if to == "aria2":
        yield from (url, f"  out={path}", f"  checksum=sha-256={sha256}")
    elif to == "curl":
        yield from (f"url = {_quoted(url)}", f"output = {_quoted(path)}")
    else:
        escaped = path.replace("\\", "\\\\")
        yield f"{'' if escaped == path else chr(92)}{sha256}  {escaped}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
