"""Three small bundles in the style of the Human Cell Atlas, the same bytes everywhere."""

import json
import struct
import zlib
from hashlib import shake_256
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from uuid import UUID, uuid5

from attrs import asdict, frozen

_READS = 300
_BARCODE_LENGTH = 26  # cell barcode and molecule identifier, as in read 1 of the 10x v2 chemistry
_INSERT_LENGTH = 98
_GENES, _CELLS, _CHUNK = 60, 48, 24


@frozen
class SampleBundle:
    """What one bundle of the sample is about."""

    uuid: str
    version: str
    title: str
    species: str
    taxon: int
    organ: str
    organ_id: str
    sex: str
    age: str
    read_names: tuple[str, str]
    has_matrix: bool = False


BUNDLES = (
    SampleBundle(
        uuid="0a6f2b1c-3d4e-4f50-8a61-72b3c4d5e6f7",
        version="2019-05-16T211813.059197Z",
        title="Cells of human blood",
        species="Homo sapiens",
        taxon=9606,
        organ="blood",
        organ_id="UBERON:0000178",
        sex="female",
        age="34",
        read_names=("blood_S1_L001_R1_001.fastq.gz", "blood_S1_L001_R2_001.fastq.gz"),
    ),
    SampleBundle(
        uuid="5b7e3c2d-4f60-4172-9b83-94a5b6c7d8e9",
        version="2019-05-20T081502.417360Z",
        title="Cells of the mouse brain",
        species="Mus musculus",
        taxon=10090,
        organ="brain",
        organ_id="UBERON:0000955",
        sex="male",
        age="8",
        read_names=("raw/lane_1/R1.fastq.gz", "raw/lane_1/R2.fastq.gz"),
    ),
    SampleBundle(
        uuid="c48d5e6f-7081-4293-a4b5-16c7d8e9fa0b",
        version="2019-06-03T140927.880042Z",
        title="Cells of the human kidney, with their expression",
        species="Homo sapiens",
        taxon=9606,
        organ="kidney",
        organ_id="UBERON:0002113",
        sex="male",
        age="51",
        read_names=("kidney_R1.fastq.gz", "kidney_R2.fastq.gz"),
        has_matrix=True,
    ),
)


def write_files(bundle: SampleBundle, folder: Path) -> None:
    """Write the files of a sample bundle below a directory."""
    for name, content in sample_files(bundle).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def sample_files(bundle: SampleBundle) -> dict[str, bytes]:
    """Return names and contents of a sample bundle's files."""
    contents = {
        name: json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        for name, document in _documents(bundle).items()
    }
    for number, name in enumerate(bundle.read_names, start=1):
        contents[name] = _gzip(_fastq(bundle, number))
    return contents | (_matrix(bundle) if bundle.has_matrix else {})


def _documents(bundle: SampleBundle) -> dict[str, Any]:
    """Return the metadata of a bundle by file name: a graph of entities, with ids of its own."""

    def document_id(name: str) -> str:
        return str(uuid5(UUID(bundle.uuid), f"document {name}"))

    day = bundle.version[:10]
    folder = files(__name__.rpartition(".")[0])
    template = Template((folder / "sample_documents.template").read_text("utf-8"))
    ids = {name: document_id(name) for name in template.get_identifiers()}
    reads = {"read_1": bundle.read_names[0], "read_2": bundle.read_names[1]}
    documents: dict[str, Any] = json.loads(template.substitute(ids, **asdict(bundle), **reads))
    for name, document in documents.items():
        if name != "links.json":
            document["provenance"] = {
                "document_id": document_id(name.removesuffix(".json")),
                "submission_date": f"{day}T08:00:00.000Z",
                "update_date": f"{day}T08:05:00.000Z",
            }
    return documents


def _noise(bundle: SampleBundle, purpose: str, length: int) -> bytes:
    """Return bytes that look random and are always the same."""
    return shake_256(f"{bundle.uuid} {purpose}".encode()).digest(length)


# What each byte of noise stands for in a FASTQ file.
_BASES = bytes(b"ACGT"[byte % 4] for byte in range(256))
_QUALITIES = bytes(33 + 20 + byte % 21 for byte in range(256))


def _fastq(bundle: SampleBundle, read: int) -> bytes:
    """Return one of a pair of FASTQ files: four lines per read, the same names in both."""
    length = (_BARCODE_LENGTH, _INSERT_LENGTH)[read - 1]
    bases = _noise(bundle, f"bases {read}", _READS * length).translate(_BASES).decode()
    qualities = _noise(bundle, f"qualities {read}", _READS * length).translate(_QUALITIES).decode()
    lines: list[str] = []
    for number in range(_READS):
        part = slice(number * length, (number + 1) * length)
        place = f"{1000 + 7 * number}:{2000 + 3 * number}"
        lines += [
            f"@SAMPLE:1:FLOWCELL:1:1101:{place} {read}:N:0:ACGTACGT",
            bases[part],
            "+",
            qualities[part],
        ]
    return ("\n".join(lines) + "\n").encode()


def _gzip(content: bytes) -> bytes:
    """Return a gzip file of stored blocks: compressed ones depend on the machine's library."""
    # Deflate, no flags (so no file name), time 0, no extra flags, unknown system.
    parts = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for start in range(0, len(content), 65535):
        block = content[start : start + 65535]
        is_last = start + 65535 >= len(content)
        parts += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack("<II", zlib.crc32(content), len(content)))
    return b"".join(parts)


def _matrix(bundle: SampleBundle) -> dict[str, bytes]:
    """Return a zarr store of genes by cell, flattened: `!` stands where its paths have `/`."""
    counts = [byte // 64 for byte in _noise(bundle, "counts", _CELLS * _GENES)]  # cell by cell
    genes = [f"ENSG{number:011d}" for number in range(1, _GENES + 1)]
    cells = [_noise(bundle, f"cell {number}", 8).hex() for number in range(_CELLS)]
    store = {
        ".zgroup": _json({"zarr_format": 2}),
        ".zattrs": _json({"species": bundle.species, "made_by": "dss_client sample"}),
        "expression!.zarray": _array([_CELLS, _GENES], [_CHUNK, _GENES], "<f4"),
        "gene_id!.zarray": _array([_GENES], [_GENES], "|S15"),
        "gene_id!0": "".join(genes).encode(),
        "cell_id!.zarray": _array([_CELLS], [_CELLS], "|S16"),
        "cell_id!0": "".join(cells).encode(),
    }
    size = _CHUNK * _GENES
    for number in range(_CELLS // _CHUNK):
        values = counts[number * size : (number + 1) * size]
        store[f"expression!{number}.0"] = struct.pack(f"<{size}f", *values)
    return {f"matrix.zarr!{name}": content for name, content in store.items()}


def _array(shape: list[int], chunks: list[int], dtype: str) -> bytes:
    return _json({
        "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype,
        "compressor": None, "fill_value": None, "filters": None, "order": "C",
    })  # fmt: skip


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=4, sort_keys=True).encode()
