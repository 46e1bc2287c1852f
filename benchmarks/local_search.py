"""How long the embedded DSS takes to index many bundles, and to search them.

The bundles are made up: each has eight files of metadata, five of them its own, and names two files
of data. Their objects are written as any tool that copies a bucket would write them; the figures
are those of the index, without HTTP.
"""

import argparse
import hashlib
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from dss_client.local.search.index import Page, SearchIndex
from dss_client.local.search.query import parse_query
from dss_client.local.storage.bucket import Root
from dss_client.local.storage.store import Storage

ORGANS = ["blood", "brain", "heart", "kidney", "liver", "lung", "pancreas", "spleen"]
SPECIES = [("Homo sapiens", 9606), ("Mus musculus", 10090)]
SCHEMA = "https://schema.humancellatlas.org/type"
DATA_FILES = 2


def metadata(number: int, dice: random.Random) -> dict[str, dict[str, Any]]:
    """Return the metadata files of a bundle; those of its project are shared by a hundred."""
    species, taxon = SPECIES[dice.random() < 0.3]
    day = f"20{dice.randrange(17, 21)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"
    project = number // 100
    made: dict[str, dict[str, Any]] = {
        "project_0.json": {
            "project_core": {
                "project_short_name": f"project {project}",
                "project_title": f"A study of cells, number {project} of the atlas",
                "project_description": "Cells of several organs were sequenced. " * 8,
            }
        },
        "library_preparation_protocol_0.json": {
            "library_construction_method": {"text": "10x v2", "ontology": "EFO:0009310"}
        },
        "sequencing_protocol_0.json": {"paired_end": project % 2 == 0, "lane": project % 8},
        "donor_organism_0.json": {
            "biomaterial_core": {"biomaterial_id": f"donor {number}", "ncbi_taxon_id": [taxon]},
            "genus_species": [{"text": species, "ontology": f"NCBITaxon:{taxon}"}],
            "organism_age": str(dice.randrange(1, 90)),
        },
        "specimen_from_organism_0.json": {
            "biomaterial_core": {"biomaterial_id": f"specimen {number}"},
            "organ": {"text": dice.choice(ORGANS)},
        },
        "cell_suspension_0.json": {
            "biomaterial_core": {"biomaterial_id": f"cells {number}"},
            "estimated_cell_count": dice.randrange(100, 100_000),
        },
        "sequence_file_0.json": {"file_core": {"file_name": f"R1_{number}.fastq.gz"}, "lane": 1},
        "sequence_file_1.json": {"file_core": {"file_name": f"R2_{number}.fastq.gz"}, "lane": 1},
    }
    for name, content in made.items():
        content["describedBy"] = f"{SCHEMA}/biomaterial/10.1.0/{name.rpartition('_')[0]}"
        content["provenance"] = {"submission_date": f"{day}T12:00:00.000Z"}
    return made


def entry(name: str, content: bytes, bundle: UUID, version: str, kind: str) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    return {
        "name": name,
        "uuid": str(UUID(bytes=hashlib.md5(bundle.bytes + name.encode()).digest())),
        "version": version,
        "content-type": kind,
        "size": len(content),
        "indexed": kind.startswith("application/json"),
        "crc32c": sha256[:8],
        "s3-etag": sha256[:32],
        "sha1": sha256[:40],
        "sha256": sha256,
    }


def make_bundles(folder: Path, count: int) -> None:
    """Write manifests and metadata to a bucket's directory."""
    dice = random.Random(0)
    for name in ("bundles", "blobs"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        uuid = UUID(int=dice.getrandbits(128))
        version = (
            f"2019-01-01T{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}.000000Z"
        )
        files: list[dict[str, Any]] = []
        for name, document in metadata(number, dice).items():
            content = json.dumps(document).encode()
            file = entry(name, content, uuid, version, "application/json; dcp-type=metadata")
            sums = (file["sha256"], file["sha1"], file["s3-etag"], file["crc32c"])
            (folder / "blobs" / ".".join(sums)).write_bytes(content)
            files.append(file)
        for part in range(DATA_FILES):
            name = f"R{part + 1}_{number}.fastq.gz"
            files.append(entry(name, name.encode(), uuid, version, "application/gzip"))
        manifest = {"format": "0.0.1", "version": version, "files": files, "creator_uid": 0}
        (folder / "bundles" / f"{uuid}.{version}").write_text(json.dumps(manifest))


QUERIES: dict[str, Any] = {
    "everything": {"match_all": {}},
    "one term, few hits": {
        "match": {"files.donor_organism_json.biomaterial_core.biomaterial_id": "donor 7"}
    },
    "one term, many hits": {
        "match": {"files.donor_organism_json.genus_species.text": "Homo sapiens"}
    },
    "must, must_not": {
        "bool": {
            "must": [
                {"match": {"files.donor_organism_json.genus_species.text": "Mus musculus"}},
                {"match": {"files.specimen_from_organism_json.organ.text": "brain"}},
            ],
            "must_not": [{"match": {"files.sequencing_protocol_json.paired_end": True}}],
        }
    },
    "words": {"match": {"files.project_json.project_core.project_title.text": "cells atlas"}},
    "range of numbers": {
        "range": {"files.cell_suspension_json.estimated_cell_count": {"gte": 50_000}}
    },
    "range of dates": {
        "range": {
            "files.project_json.provenance.submission_date": {
                "gte": "2018-01-01",
                "lt": "2018-07-01",
            }
        }
    },
    "prefix": {
        "prefix": {"files.cell_suspension_json.biomaterial_core.biomaterial_id": "cells 12"}
    },
    "wildcard": {"wildcard": {"manifest.files.name": "R1_*7.fastq.gz"}},
    "exists": {"exists": {"field": "files.donor_organism_json"}},
    "query_string": {"query_string": {"query": "kidney AND NOT mus"}},
    "phrase": {
        "match_phrase": {"files.project_json.project_core.project_title.text": "number 7 of"}
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundles", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        place = Root.of(root)
        replica = Storage(place, place).replicas["aws"]
        make_bundles(Path(root, "aws", "main"), arguments.bundles)
        path = Path(root, ".index", "aws.sqlite")
        started = time.perf_counter()
        SearchIndex(replica, path, stopping=threading.Event()).rebuild()
        built = time.perf_counter() - started
        size = sum(file.stat().st_size for file in path.parent.iterdir())
        print(f"bundles             {arguments.bundles:>12,}")
        print(f"index built in      {built:>12.1f} s, {arguments.bundles / built:,.0f} a second")
        print(f"index size          {size / 1e6:>12.1f} MB")
        time.sleep(2.1)  # until the directory's time can be told from that of a later change
        index = SearchIndex(replica, path, stopping=threading.Event())
        print(f"first look of a run {first_look(index):>12.1f} ms")
        make_bundles(Path(root, "more"), 1)
        [added] = Path(root, "more", "bundles").iterdir()
        replica.main.put(f"bundles/0{added.name[1:]}", added.read_bytes())
        print(f"after a write       {first_look(index):>12.1f} ms")
        for name, query in QUERIES.items():
            report(index, name, query, arguments.rounds)
    return 0


def first_look(index: SearchIndex) -> float:
    """Return the milliseconds that a search takes that looks for changes first."""
    started = time.perf_counter()
    index.find(parse_query({"match_all": {}}), Page(None, 0, 100, whole=False))
    return (time.perf_counter() - started) * 1000


def report(index: SearchIndex, name: str, query: object, rounds: int) -> None:
    times: list[float] = []
    total = 0
    for _ in range(rounds):
        started = time.perf_counter()
        page = Page(after=None, skip=0, size=100, whole=False)
        total = index.find(parse_query(query), page).total
        times.append(time.perf_counter() - started)
    print(f"{name:<19} {statistics.median(times) * 1000:>12.1f} ms {total:>10,} hits")


if __name__ == "__main__":
    sys.exit(main())
