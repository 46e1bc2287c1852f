"""Fuzzes the embedded DSS: every operation, through schemathesis, over the specification.

Valid and invalid requests alike: whatever a client sends, no answer is a 5xx.
``python -m tests.fuzz [N]``, with N the most examples per operation. Ends with 0 when nothing was
found and at least `LEAST` cases were run.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

from dss_client import DSSClient
from dss_client.local import LocalDSS, LocalSettings
from dss_client.local.sample import BUNDLES
from dss_client.local.validation import operations
from dss_client.models import CollectionItem
from tests.fuzz.specification import REFUSALS, specification

LEAST = 5000
EXAMPLES = "190"
CHAINS = "20"
SEED = "1"
LIMIT = 480  # seconds
PROCESSES = 2
EMAIL = "fuzz@example.org"
SOURCES = ("one.json", "two.txt", "three.bin")
SOME = 10
_GENERATED = re.compile(r"(\d+) generated")


def main() -> int:
    """Run, and say how it went."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        for source in SOURCES:
            (folder / "source" / source).write_bytes(source.encode())
        settings = LocalSettings(
            retry_after=0, admins=frozenset({EMAIL}), sources={"source": folder / "source"}
        )
        with LocalDSS(sample=True, settings=settings) as dss:
            token = dss.mint_token(email=EMAIL)
            with DSSClient(dss.url, token=token) as client:
                known = _known(client)
            _write_specification(folder / "spec.json")
            config = "\n".join(_config(known))
            (folder / "schemathesis.toml").write_text(config, encoding="utf-8")
            names = sorted(each.id for each in operations())
            shares = [names[number::PROCESSES] for number in range(PROCESSES)]
            with ThreadPoolExecutor(PROCESSES) as pool:
                runs = list(pool.map(partial(_run, folder, dss.url, token), [*shares, []]))
    passed = all(status == 0 for status, _ in runs)
    cases = sum(int(found) for _, output in runs for found in _GENERATED.findall(output))
    print(f"{cases} cases, of at least {LEAST}")
    return int(not passed or cases < LEAST)


def _write_specification(path: Path) -> None:
    path.write_text(json.dumps(specification()), encoding="utf-8")


def _known(client: DSSClient) -> dict[str, list[str]]:
    """Return what leads somewhere, by the dictionary that it goes into."""
    bundles = [bundle.uuid for bundle in BUNDLES]
    files = list(client.get_bundle.iterate(uuid=bundles[0], replica="aws"))
    item = CollectionItem(type="file", uuid=files[0].uuid, version=files[0].version)
    collections = [
        client.put_collection(
            replica="aws",
            uuid=str(uuid4()),
            version=files[0].version,
            name=str(number),
            description="",
            details={},
            contents=[item],
        ).uuid
        for number in range(SOME)
    ]
    subscriptions = [
        client.put_subscription(replica="aws", callback_url="http://127.0.0.1:9/").uuid
        for _ in range(SOME)
    ]
    jobs = [client.post_bundles_checkout(uuid=uuid, replica="aws") for uuid in bundles]
    return {
        "bundles": bundles,
        "collections": collections,
        "files": [file.uuid for file in files],
        "jobs": [job.checkout_job_id for job in jobs],
        "names": [file.name for file in files],
        "sources": [f"s3://source/{name}" for name in SOURCES],
        "subscriptions": subscriptions,
        "versions": [bundle.version for bundle in BUNDLES],
    }


_FILE = {"path.uuid": "files", "query.version": "versions"}
_BUNDLE = {"path.uuid": "bundles", "query.version": "versions"}
_COLLECTION = {"path.uuid": "collections", "query.version": "versions"}
_SUBSCRIPTION = {"path.uuid": "subscriptions"}
_CONTENTS = {"uuid": "files", "version": "versions"}

_BINDINGS = {
    "get_file": _FILE,
    "head_file": _FILE,
    "put_file": {**_FILE, "body.source_url": "sources"},
    "get_bundle": _BUNDLE,
    "delete_bundle": _BUNDLE,
    "patch_bundle": {
        **_BUNDLE,
        **{f"body.add_files[*].{name}": each for name, each in _CONTENTS.items()},
        **{f"body.remove_files[*].{name}": each for name, each in _CONTENTS.items()},
    },
    "put_bundle": {
        **_BUNDLE,
        **{f"body.files[*].{name}": each for name, each in _CONTENTS.items()},
        "body.files[*].name": "names",
    },
    "post_bundles_checkout": _BUNDLE,
    "get_bundles_checkout": {"path.checkout_job_id": "jobs"},
    "get_collection": _COLLECTION,
    "patch_collection": {
        **_COLLECTION,
        **{f"body.add_contents[*].{name}": each for name, each in _CONTENTS.items()},
    },
    "put_collection": {
        **{f"body.contents[*].{name}": each for name, each in _CONTENTS.items()},
        "query.version": "versions",
    },
    "delete_collection": {"path.uuid": "collections"},
    "get_subscription": _SUBSCRIPTION,
    "delete_subscription": _SUBSCRIPTION,
    "get_event": _BUNDLE,
}


def _config(known: dict[str, list[str]]) -> Iterator[str]:
    for name, values in known.items():
        yield f"[dictionaries.{name}]"
        yield f"values = {json.dumps(values)}"
    for operation in sorted({*REFUSALS, *_BINDINGS}):
        yield "[[operations]]"
        yield f"include-operation-id = {json.dumps(operation)}"
        if operation in REFUSALS:
            allowed = ["2xx", "3xx", 401, 403, 404, 409, *REFUSALS[operation][0]]
            yield "[operations.checks.positive_data_acceptance]"
            yield f"expected-statuses = {json.dumps(allowed)}"
        if operation in _BINDINGS:
            yield "[operations.parameters]"
            for place, dictionary in _BINDINGS[operation].items():
                yield f'"{place}" = {{ dictionary = "{dictionary}", probability = 0.7 }}'


def _run(folder: Path, url: str, token: str, names: list[str]) -> tuple[int, str]:
    """Fuzz some operations, or chains of all where none is named; return status and output."""
    program = Path(sys.executable).with_name("schemathesis")
    examples = sys.argv[1] if len(sys.argv) > 1 else EXAMPLES
    phases = ["--phases", "coverage,fuzzing" if names else "stateful"]
    if not names:
        examples = CHAINS
    chosen = [word for name in names for word in ("--include-operation-id", name)]
    command = [
        str(program), "--no-color", "--config-file", str(folder / "schemathesis.toml"),
        "run", str(folder / "spec.json"), "--url", url, *phases, *chosen,
        "--header", f"Authorization: Bearer {token}", "--mode", "all",
        "--checks", "all", "--seed", SEED, "--max-examples", examples, "--max-redirects", "0",
        "--continue-on-failure", "--no-shrink", "--generation-database", "none",
    ]  # fmt: skip
    root = Path(__file__).parents[2]
    environ = {
        **os.environ,
        "PYTHONPATH": str(root),
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
    }
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    output = done.stdout + done.stderr
    print(output)
    return done.returncode, output


if __name__ == "__main__":
    sys.exit(main())
