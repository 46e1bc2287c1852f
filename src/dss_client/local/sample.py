"""Three small bundles in the style of the Human Cell Atlas, the same bytes everywhere."""

import json
import struct
import tempfile
from hashlib import shake_256
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid5

from attrs import frozen

from .gzip_stored import gzip_stored
from .loader import BundleExists, LoadedBundle

_SCHEMAS = "https://schema.humancellatlas.org"
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


class Target(Protocol):
    """What bundles can be loaded into: a `LocalDSS`."""

    def load_bundle(
        self, src_dir: Path, uuid: str | None = None, version: str | None = None
    ) -> LoadedBundle:
        """Store the files of a directory as a bundle."""
        ...


def load_sample(target: Target) -> list[LoadedBundle]:
    """Add the sample's bundles that are missing; return them."""
    loaded: list[LoadedBundle] = []
    for bundle in BUNDLES:
        with tempfile.TemporaryDirectory(prefix="dss-sample-") as folder:
            write_files(bundle, Path(folder))
            try:
                loaded.append(target.load_bundle(Path(folder), bundle.uuid, bundle.version))
            except BundleExists:
                continue
    return loaded


def write_files(bundle: SampleBundle, folder: Path) -> None:
    """Write the files of a sample bundle below a directory."""
    for name, content in sample_files(bundle).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def sample_files(bundle: SampleBundle) -> dict[str, bytes]:
    """Return names and contents of a sample bundle's files."""
    files = {
        name: json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        for name, document in _documents(bundle).items()
    }
    for number, name in enumerate(bundle.read_names, start=1):
        files[name] = gzip_stored(_fastq(bundle, number))
    if bundle.has_matrix:
        files |= _matrix(bundle)
    return files


def _documents(bundle: SampleBundle) -> dict[str, dict[str, Any]]:
    return {
        "project_0.json": _entity(bundle, "project", "project_0", "14.1.0", {
            "project_core": {
                "project_short_name": f"sample_{bundle.organ}",
                "project_title": bundle.title,
                "project_description": "Made-up data, to try software with.",
            },
            "contributors": [{"name": "Sample,,Author", "institution": "Nowhere"}],
        }),
        "donor_organism_0.json": _biomaterial(bundle, "donor_organism", "15.5.0", {
            "genus_species": [{
                "text": bundle.species,
                "ontology": f"NCBITaxon:{bundle.taxon}",
                "ontology_label": bundle.species,
            }],
            "sex": bundle.sex,
            "is_living": "yes",
            "organism_age": bundle.age,
        }),
        "specimen_from_organism_0.json": _biomaterial(
            bundle, "specimen_from_organism", "10.3.0", {
                "organ": {"text": bundle.organ, "ontology": bundle.organ_id},
                "genus_species": [{"text": bundle.species}],
            }),
        "cell_suspension_0.json": _biomaterial(bundle, "cell_suspension", "13.2.0", {
            "estimated_cell_count": _CELLS,
            "genus_species": [{"text": bundle.species}],
        }),
        "collection_protocol_0.json": _protocol(
            bundle, "biomaterial_collection", "collection_protocol", "9.1.0", {
                "method": {"text": "biopsy"},
            }),
        "dissociation_protocol_0.json": _protocol(
            bundle, "biomaterial_collection", "dissociation_protocol", "6.1.0", {
                "method": {"text": "enzymatic dissociation"},
            }),
        "library_preparation_protocol_0.json": _protocol(
            bundle, "sequencing", "library_preparation_protocol", "6.1.0", {
                "library_construction_method": {
                    "text": "10X v2 sequencing", "ontology": "EFO:0009310",
                },
                "end_bias": "3 prime tag",
                "primer": "poly-dT",
                "strand": "first",
                "nucleic_acid_source": "single cell",
            }),
        "sequencing_protocol_0.json": _protocol(
            bundle, "sequencing", "sequencing_protocol", "10.0.0", {
                "instrument_manufacturer_model": {"text": "Illumina HiSeq 2500"},
                "paired_end": True,
            }),
        **{
            f"process_{number}.json": _entity(bundle, "process", f"process_{number}", "9.1.0", {
                "process_core": {"process_id": f"{bundle.organ}_process_{number}"},
            })
            for number in range(3)
        },
        **{
            f"sequence_file_{number}.json": _entity(
                bundle, "file", f"sequence_file_{number}", "9.0.0", {
                    "file_core": {"file_name": name, "format": "fastq.gz"},
                    "read_index": f"read{number + 1}",
                    "read_length": (_BARCODE_LENGTH, _INSERT_LENGTH)[number],
                    "lane_index": 1,
                })
            for number, name in enumerate(bundle.read_names)
        },
        "links.json": _links(bundle),
    }  # fmt: skip


_TYPE_PATHS = {
    "project": "type/project",
    "process": "type/process",
    "file": "type/file",
    "biomaterial": "type/biomaterial",
}


def _entity(
    bundle: SampleBundle,
    schema_type: str,
    name: str,
    version: str,
    content: dict[str, Any],
    path: str | None = None,
) -> dict[str, Any]:
    """Return a document with what every document has."""
    kind = name.rpartition("_")[0]
    day = bundle.version[:10]
    return {
        "describedBy": f"{_SCHEMAS}/{path or _TYPE_PATHS[schema_type]}/{version}/{kind}",
        "schema_type": schema_type,
        "provenance": {
            "document_id": _document_id(bundle, name),
            "submission_date": f"{day}T08:00:00.000Z",
            "update_date": f"{day}T08:05:00.000Z",
        },
        **content,
    }  # fmt: skip


def _biomaterial(
    bundle: SampleBundle, kind: str, version: str, content: dict[str, Any]
) -> dict[str, Any]:
    core = {"biomaterial_id": f"{bundle.organ}_{kind}", "ncbi_taxon_id": [bundle.taxon]}
    whole = {"biomaterial_core": core, **content}
    return _entity(bundle, "biomaterial", f"{kind}_0", version, whole)


def _protocol(
    bundle: SampleBundle, group: str, kind: str, version: str, content: dict[str, Any]
) -> dict[str, Any]:
    whole = {"protocol_core": {"protocol_id": f"{bundle.organ}_{kind}"}, **content}
    path = f"type/protocol/{group}"
    return _entity(bundle, "protocol", f"{kind}_0", version, whole, path)


def _links(bundle: SampleBundle) -> dict[str, Any]:
    """Return the graph: donor, specimen, suspension, files, and the processes between them."""
    version = "1.1.5"
    steps = [
        (["donor_organism_0"], "biomaterial", ["specimen_from_organism_0"], "biomaterial",
         ["collection_protocol"]),
        (["specimen_from_organism_0"], "biomaterial", ["cell_suspension_0"], "biomaterial",
         ["dissociation_protocol"]),
        (["cell_suspension_0"], "biomaterial", ["sequence_file_0", "sequence_file_1"], "file",
         ["library_preparation_protocol", "sequencing_protocol"]),
    ]  # fmt: skip
    return {
        "describedBy": f"{_SCHEMAS}/system/{version}/links",
        "schema_type": "link_bundle",
        "schema_version": version,
        "links": [
            {
                "process": _document_id(bundle, f"process_{number}"),
                "inputs": [_document_id(bundle, name) for name in inputs],
                "input_type": input_type,
                "outputs": [_document_id(bundle, name) for name in outputs],
                "output_type": output_type,
                "protocols": [
                    {"protocol_type": kind, "protocol_id": _document_id(bundle, f"{kind}_0")}
                    for kind in protocols
                ],
            }
            for number, (inputs, input_type, outputs, output_type, protocols) in enumerate(steps)
        ],
    }


def _document_id(bundle: SampleBundle, name: str) -> str:
    return str(uuid5(UUID(bundle.uuid), f"document {name}"))


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


def _matrix(bundle: SampleBundle) -> dict[str, bytes]:
    """Return a zarr store of genes by cell, flattened: `!` stands where its paths have `/`."""
    counts = [byte // 64 for byte in _noise(bundle, "counts", _CELLS * _GENES)]
    rows = [counts[cell * _GENES : (cell + 1) * _GENES] for cell in range(_CELLS)]
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
    for number in range(_CELLS // _CHUNK):
        values = [value for row in rows[number * _CHUNK : (number + 1) * _CHUNK] for value in row]
        store[f"expression!{number}.0"] = struct.pack(f"<{len(values)}f", *values)
    return {f"matrix.zarr!{name}": content for name, content in store.items()}


def _array(shape: list[int], chunks: list[int], dtype: str) -> bytes:
    return _json({
        "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype,
        "compressor": None, "fill_value": None, "filters": None, "order": "C",
    })  # fmt: skip


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=4, sort_keys=True).encode()
