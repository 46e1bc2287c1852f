"""Copies of single files and whole bundles in a checkout bucket.

See docs/behaviour.md 5.2, 9.
"""

import logging
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from dss_client.types import JSONObject

from . import documents
from .bucket import BadKey, Bucket, ObjectInfo
from .documents import FileMetadata, Manifest, ManifestFile, blob_key
from .jobs import Jobs, Outcome
from .store import Replica, Storage

_logger = logging.getLogger(__name__)

_DAY = 24 * 3600.0
_LIFETIME = 14 * _DAY
_MARGIN = 3600.0
_REFRESH = 7 * _DAY

_SENDER = "Embedded DSS <dss@localhost.invalid>"
_LOST = "The job ended with an earlier run of this server, start a new one (FAILED)"


class Checkouts:
    """Starts copies and tells whether they are there."""

    def __init__(
        self, storage: Storage, jobs: Jobs, clock: Callable[[], float], email_dir: Path | None
    ) -> None:
        self._storage = storage
        self._jobs = jobs
        self._clock = clock
        self._email_dir = email_dir

    def poll(self, job_id: str) -> Outcome | None:
        """Return how a job ended, None while it runs; see `Jobs.poll`."""
        return self._jobs.poll(job_id)

    def file_is_ready(self, replica: Replica, file: FileMetadata) -> bool:
        """Tell whether a file can be fetched; renews a copy that gets old."""
        info = replica.checkout.info(blob_key(file))
        if info is None or info.size != file["size"] or not self._is_fresh(info):
            return False
        if self._is_old(info):
            self.start_file(replica, file)
        return True

    def start_file(self, replica: Replica, file: FileMetadata) -> str:
        """Start copying a file's content, return the job's id."""
        job_id = str(uuid.uuid4())
        self._jobs.start(job_id, lambda: self.copy_file(replica, file))
        return job_id

    def copy_file(self, replica: Replica, file: FileMetadata) -> str | None:
        """Copy a file's content at once, return why that failed."""
        return _copy(replica.main, file, replica.checkout, blob_key(file))

    def bundle_is_ready(self, replica: Replica, fqid: str, manifest: Manifest) -> bool:
        """Tell whether all files of a bundle can be fetched; renews copies that get old."""
        infos = [replica.checkout.info(key) for key in _bundle_keys(fqid, manifest["files"])]
        there = [info for info in infos if info is not None and self._is_fresh(info)]
        if len(there) < len(infos):
            return False
        if any(self._is_old(info) for info in there):
            self.start_bundle(replica, fqid, manifest)
        return True

    def start_bundle(
        self,
        replica: Replica,
        fqid: str,
        manifest: Manifest,
        destination: str | None = None,
        email: str | None = None,
    ) -> str:
        """Start copying a bundle, by default to the replica's checkout bucket.

        Returns:
            The job's id. Its status object is there before this returns.
        """
        job_id = str(uuid.uuid4())
        _put_status(replica, job_id, {"status": "RUNNING"})

        def work() -> str | None:
            name = destination or replica.checkout.name
            cause = self._copy_bundle(replica, fqid, manifest, name)
            location = f"{replica.scheme}://{name}/bundles/{fqid}"
            status = (
                {"status": "FAILED", "cause": f"{cause} (FAILED)"}
                if cause
                else {"status": "SUCCEEDED", "location": location}
            )
            _put_status(replica, job_id, status)
            if email and self._email_dir:
                _write_mail(self._email_dir, job_id, email, fqid, status)
            return cause

        self._jobs.start(job_id, work)
        return job_id

    def bundle_status(self, replica: Replica, job_id: str) -> JSONObject | None:
        """Return the status object of a bundle's job, None when there is no such job here."""
        key = _status_key(job_id)
        status = documents.decode(replica.checkout.get(key))
        if status is None or status.get("status") != "RUNNING":
            return status
        try:
            ended = self._jobs.poll(job_id)
        except KeyError:
            return {"status": "FAILED", "cause": _LOST}
        return status if ended is None else documents.decode(replica.checkout.get(key))

    def _copy_bundle(
        self, replica: Replica, fqid: str, manifest: Manifest, destination: str
    ) -> str | None:
        target = self._storage.bucket(destination)
        if target is None:
            return f"There is no bucket {destination!r}"
        for key, file in _bundle_keys(fqid, manifest["files"]).items():
            cause = _copy(replica.main, file, target, key)
            if cause:
                return cause
        return None

    def _is_fresh(self, info: ObjectInfo) -> bool:
        return self._clock() - info.modified < _LIFETIME - _MARGIN

    def _is_old(self, info: ObjectInfo) -> bool:
        return self._clock() - info.modified > _REFRESH


def _copy(
    source: Bucket, file: FileMetadata | ManifestFile, target: Bucket, key: str
) -> str | None:
    """Copy a file's content to `key`, return why that failed."""
    what = f"Blob {file['sha256']}"
    blob = source.info(blob_key(file))
    if blob is None:
        return f"{what} is missing"
    if blob.size != file["size"]:
        return f"{what} has {blob.size} bytes, not {file['size']}"
    try:
        with source.open(blob_key(file)) as stream:
            target.put_stream(key, stream)
    except (OSError, BadKey) as error:
        _logger.warning("%s could not be copied to %s: %s", what, target.name, error)
        return f"{what} could not be written to bucket {target.name!r}"
    return None


def _bundle_keys(fqid: str, files: list[ManifestFile]) -> dict[str, ManifestFile]:
    """Return the keys of a bundle's files in a checkout bucket; old manifests repeat names."""
    return {f"bundles/{fqid}/{file['name']}": file for file in files}


def _status_key(job_id: str) -> str:
    return f"checkout/status/{job_id}.json"


def _put_status(replica: Replica, job_id: str, status: JSONObject) -> None:
    replica.checkout.put(_status_key(job_id), documents.encode(status))


def _write_mail(folder: Path, job_id: str, to: str, fqid: str, status: JSONObject) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    outcome = status.get("location") or status.get("cause")
    end = "complete" if "location" in status else "failed"
    lines = [
        f"From: {_SENDER}",
        f"To: {' '.join(to.split())}",
        f"Date: {date}",
        f"Subject: Bundle checkout {end}",
        "",
        f"Job {job_id} of bundle {fqid}: {outcome}",
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mail = folder / f"{job_id}.txt"
        mail.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        _logger.warning("The mail of checkout job %s could not be written: %s", job_id, error)
