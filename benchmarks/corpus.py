"""Bundles made for the benchmark: contents, API documents and manifests, by their numbers alone.

No content compresses and no two are equal, but they are cheap to make: each MiB starts with its
file's and its own number, and goes on with the same random bytes.
"""

import hashlib
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from attrs import evolve, frozen

VERSION = "2019-05-01T120000.000000Z"
STORE = Path(".hca", "v2", "files_2_4")
COLUMNS = "bundle_uuid bundle_version file_name file_uuid file_version file_sha256 file_size"
_MIB = 1 << 20
_BLOCK = random.Random(0).randbytes(_MIB)
_HEX = _BLOCK.hex().encode()
_SAMPLE = 20
_SAMPLE_BYTES = 512 * _MIB
_SIGNATURE = (  # as long as what S3 appends
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20190501%2Fus-east-1"
    "%2Fs3%2Faws4_request&X-Amz-Date=20190501T120000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=" + "5" * 64
)

Pieces = list[bytes | memoryview]


@frozen
class Files:
    """Some files of each bundle.

    Attributes:
        count: How many.
        size: Bytes of each.
        spread: Up to how many more bytes they have, spread evenly.
        indexed: They are JSON, and metadata.
    """

    count: int
    size: int
    spread: int = 0
    indexed: bool = False


@frozen
class Plan:
    """What a corpus consists of.

    Attributes:
        bundles: How many bundles.
        files: What each holds.
        scaled: What `--scale` shrinks.
        distinct: How many contents there are, taken in turn; None for one per file.
        served: Storage and API have them; otherwise there are the manifest, and stores (`seed`).
    """

    bundles: int
    files: tuple[Files, ...]
    scaled: Literal["bundles", "sizes"] = "bundles"
    distinct: int | None = None
    served: bool = True

    @property
    def per_bundle(self) -> int:
        return sum(files.count for files in self.files)

    @property
    def rows(self) -> int:
        return self.bundles * self.per_bundle

    @property
    def contents(self) -> int:
        return min(self.rows, self.distinct or self.rows)

    @property
    def bytes(self) -> int:
        """How many bytes the manifest stands for."""
        each = sum(files.count * (files.size + files.spread // 2) for files in self.files)
        return each * self.bundles

    @property
    def room(self) -> int:
        """About how many bytes a copy takes: a file has a page, and an inode and a directory."""
        return self.bytes * self.contents // self.rows + 8192 * self.contents + 512 * self.rows

    def scale(self, factor: float) -> "Plan":
        if self.scaled == "bundles":
            return evolve(self, bundles=max(1, round(self.bundles * factor)))
        files = (evolve(each, size=max(1, round(each.size * factor))) for each in self.files)
        return evolve(self, files=tuple(files))


@frozen
class Entry:
    """One file of a bundle."""

    bundle: str
    name: str
    uuid: str
    sha256: str
    size: int
    indexed: bool


@frozen
class Corpus:
    """What was made of a plan.

    Attributes:
        manifest: A manifest of every file.
        urls: A list of the storage URLs, one a line.
        calls: A list of the URLs to ask the API for each file.
        sample: Some of the files, to be looked at after a download.
    """

    plan: Plan
    folder: Path
    manifest: Path
    urls: Path
    calls: Path
    sample: tuple[Entry, ...]


def make(plan: Plan, folder: Path, *, api: str, storage: str, spec: Path) -> Corpus:
    """Write all that a server and its clients need below an empty folder.

    Args:
        plan: What to make.
        folder: Where to.
        api: Root URL of the API, without ``/v1``.
        storage: Root URL of the storage.
        spec: The pinned specification.
    """
    documents, blobs = folder / "v1" / "bundles", folder / "blobs"
    for each in (documents, blobs):
        each.mkdir(parents=True)
    (folder / "v1" / "swagger.json").write_text(json.dumps(_hosted(spec, api)))
    paths = [folder / name for name in ("manifest.tsv", "urls", "calls", "files.map")]
    manifest, urls, calls, maps = (path.open("w", newline="") for path in paths)
    sample: list[Entry] = []
    with manifest, urls, calls, maps:
        manifest.write(COLUMNS.replace(" ", "\t") + "\r\n")
        bundle: list[dict[str, Any]] = []
        for number, (entry, pieces) in enumerate(entries(plan)):
            manifest.write(_line(entry))
            if number % max(1, plan.rows // _SAMPLE) == 0:
                sample.append(entry)
            if not plan.served:
                continue
            _write(blobs / entry.sha256, pieces)
            url = f"{storage}/blobs/{entry.sha256}?{_SIGNATURE}"
            urls.write(url + "\n")
            calls.write(f"{api}/v1/files/{entry.uuid}?version={VERSION}&replica=aws\n")
            maps.write(f'{entry.uuid} "{entry.sha256} {entry.size}";\n')
            bundle.append({**_described(entry), "url": url})
            if len(bundle) == plan.per_bundle:
                _write_documents(documents, entry.bundle, bundle)
                bundle = []
    few = max(1, _SAMPLE_BYTES * plan.rows // max(1, plan.bytes))
    return Corpus(plan, folder, paths[0], paths[1], paths[2], tuple(sample[: min(few, _SAMPLE)]))


def entries(plan: Plan, limit: int | None = None) -> Iterator[tuple[Entry, Pieces]]:
    """Yield the files of a plan, each with its content; at most so many."""
    number = 0
    for bundle in range(plan.bundles):
        for kind, files in enumerate(plan.files):
            for part in range(files.count):
                if number == limit:
                    return
                pieces = _content(number % plan.contents, files)
                digest = hashlib.sha256()
                for piece in pieces:
                    digest.update(piece)
                yield (
                    Entry(
                        bundle=_uuid("bundle", bundle),
                        name=f"cells_{kind}_{part}" + (".json" if files.indexed else ".bin"),
                        uuid=_uuid("file", number),
                        sha256=digest.hexdigest(),
                        size=sum(map(len, pieces)),
                        indexed=files.indexed,
                    ),
                    pieces,
                )
                number += 1


def seed(plan: Plan, folder: Path, limit: int | None = None) -> None:
    """Put the contents of the first rows into a store, as any client leaves them."""
    contents = plan.contents if limit is None else min(limit, plan.contents)
    for entry, pieces in entries(plan, contents):
        path = stored(folder, entry.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, pieces)


def stored(folder: Path, sha256: str) -> Path:
    """Return the place of a content in the store of a download directory."""
    return folder / STORE / sha256[:2] / sha256[2:6] / sha256


def write_first_rows(corpus: Corpus, count: int, path: Path) -> None:
    """Write a manifest of the first rows of another."""
    with corpus.manifest.open(newline="") as source, path.open("w", newline="") as target:
        for number, line in enumerate(source):
            if number > count:
                break
            target.write(line)


def _content(number: int, files: Files) -> Pieces:
    size = files.size + (number * 977 % files.spread if files.spread else 0)
    if files.indexed:
        start = b'{"number": %d, "text": "' % number
        return [start + _HEX[: max(0, size - len(start) - 2)] + b'"}']
    block, pieces = memoryview(_BLOCK), Pieces()
    for piece in range(-(-size // _MIB)):
        length = min(_MIB, size - piece * _MIB)
        pieces += [struct.pack(">QQ", number, piece)[:length], block[16:length]]
    return pieces if size > _MIB else [b"".join(pieces)]


def _uuid(kind: str, number: int) -> str:
    digest = hashlib.md5(f"{kind} {number}".encode(), usedforsecurity=False).digest()
    return str(UUID(bytes=digest, version=4))


def _write(path: Path, pieces: Pieces) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)


def _line(entry: Entry) -> str:
    cells = (entry.bundle, VERSION, entry.name, entry.uuid, VERSION, entry.sha256, entry.size)
    return "\t".join(map(str, cells)) + "\r\n"


def _described(entry: Entry) -> dict[str, Any]:
    """Return a file as the API describes it; the sums that no client compares are made up."""
    return {
        "name": entry.name,
        "uuid": entry.uuid,
        "version": VERSION,
        "content-type": "application/json" if entry.indexed else "application/octet-stream",
        "size": entry.size,
        "indexed": entry.indexed,
        "crc32c": entry.sha256[:8],
        "s3_etag": entry.sha256[:32],
        "sha1": entry.sha256[:40],
        "sha256": entry.sha256,
    }


def _write_documents(folder: Path, uuid: str, files: list[dict[str, Any]]) -> None:
    """Write a bundle twice: as it is, and with presigned URLs."""
    plain = [{name: value for name, value in file.items() if name != "url"} for file in files]
    for suffix, shown in (("", plain), (".presigned", files)):
        bundle = {"uuid": uuid, "version": VERSION, "creator_uid": 0, "files": shown}
        (folder / f"{uuid}{suffix}.json").write_text(json.dumps({"bundle": bundle}))


def _hosted(spec: Path, api: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(spec.read_text(encoding="utf-8"))
    scheme, _, host = api.partition("://")
    return document | {"host": host, "schemes": [scheme]}
