"""Copies of single files and whole bundles in a checkout bucket, made by jobs.

See docs/behaviour.md 5.2, 9.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from email.utils import formatdate
from pathlib import Path

from attrs import define

from dss_client.types import JSONObject

from . import documents
from .bucket import BadKey, Bucket, ObjectInfo
from .documents import FileMetadata, Manifest, ManifestFile, blob_key
from .store import Replica, Storage

_logger = logging.getLogger(__name__)

_DAY = 24 * 3600.0
_LIFETIME = 14 * _DAY
_MARGIN = 3600.0
_REFRESH = 7 * _DAY

_SENDER = "Embedded DSS <dss@localhost.invalid>"
_STATUS = "checkout/status/"
_LOST = "The job ended with an earlier run of this server, start a new one (FAILED)"

_SILENT = "The job could not write how it ended, start a new one (FAILED)"
_WORKERS = 2
_PATIENCE = 5.0  # seconds, well below a client's time limit

Work = Callable[[], str | None]


@define
class _Job:
    work: Work
    polls_left: int
    future: Future[str | None] | None = None


class Jobs:
    """Runs work that goes on after its request was answered; it gives its failure, or None.

    Work begins once it was polled as often as asked for, so that a test sees exactly that many
    answers before the end, and none of the work's effects.
    """

    def __init__(self, polls: int) -> None:
        self._polls = polls
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._executor = _executor()

    def start(self, job_id: str, work: Work, polls: int | None = None) -> None:
        """Take on a piece of work under an id; `polls` is for this one only."""
        job = _Job(work=work, polls_left=self._polls if polls is None else polls)
        with self._lock:
            self._jobs[job_id] = job
            self._submit_if_due(job)

    def poll(self, job_id: str) -> Future[str | None] | None:
        """Return a job that has ended, None while it runs; what is due is waited for some seconds.

        Raises:
            KeyError: No such job was started in this run.
        """
        with self._lock:
            job = self._jobs[job_id]
            if job.future is None:
                job.polls_left -= 1
                self._submit_if_due(job)
                return None
            future = job.future
        return future if wait([future], timeout=_PATIENCE).done else None

    def clear(self) -> None:
        """Wait for running work, drop the rest, and forget all of it."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._jobs.clear()
        self._executor = _executor()

    def _submit_if_due(self, job: _Job) -> None:
        if job.polls_left == 0:
            job.future = self._executor.submit(job.work)


class Checkouts:
    """Starts copies and tells whether they are there."""

    def __init__(
        self, storage: Storage, jobs: Jobs, clock: Callable[[], float], email_dir: Path | None
    ) -> None:
        self._storage = storage
        self._jobs = jobs
        self._clock = clock
        self._email_dir = email_dir

    def end_lost_jobs(self) -> None:
        """Set the jobs that an earlier run left to FAILED: they can never end."""
        for replica in self._storage.replicas.values():
            for key in replica.checkout.keys(_STATUS):
                job_id = key.removeprefix(_STATUS).removesuffix(".json")
                if (_status(replica.checkout, job_id) or {}).get("status") != "RUNNING":
                    continue
                try:
                    _put_status(replica.checkout, job_id, {"status": "FAILED", "cause": _LOST})
                except OSError as error:
                    _logger.warning("Checkout job %s stays RUNNING: %s", job_id, error)

    def file_is_ready(self, replica: Replica, file: FileMetadata) -> bool:
        """Tell whether a file can be fetched; renews a copy that gets old."""
        if replica.is_archive:
            return replica.has_blob(file)
        info = replica.checkout.info(blob_key(file))
        if info is not None and info.size != file["size"]:
            return False
        return self._is_ready([info], lambda: self.start_file(replica, file))

    def start_file(self, replica: Replica, file: FileMetadata) -> str:
        """Start copying a file's content, return the job's id."""
        job_id = str(uuid.uuid4())
        self._jobs.start(job_id, lambda: self.copy_file(replica, file))
        return job_id

    def copy_file(self, replica: Replica, file: FileMetadata) -> str | None:
        """Copy a file's content at once, return why that failed."""
        return _copy(replica.main, {blob_key(file): file}, replica.checkout)

    def bundle_is_ready(self, replica: Replica, fqid: str, manifest: Manifest) -> bool:
        """Tell whether all files of a bundle can be fetched; renews copies that get old."""
        if replica.is_archive:
            return all(replica.has_blob(file) for file in manifest["files"])
        infos = [replica.checkout.info(key) for key in _bundle_keys(fqid, manifest)]
        return self._is_ready(infos, lambda: self.start_bundle(replica, fqid, manifest))

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
        _put_status(replica.checkout, job_id, {"status": "RUNNING"})

        def work() -> str | None:
            name = destination or replica.checkout.name
            target = self._storage.bucket(name)
            if target is None:
                cause: str | None = f"There is no bucket {name!r}"
            else:
                cause = _copy(replica.main, _bundle_keys(fqid, manifest), target)
            location = f"{replica.scheme}://{name}/bundles/{fqid}"
            status: JSONObject = {"status": "SUCCEEDED", "location": location}
            if cause:
                status = {"status": "FAILED", "cause": f"{cause} (FAILED)"}
            if email and self._email_dir:
                _write_mail(self._email_dir, job_id, email, fqid, status)
            _put_status(replica.checkout, job_id, status)  # who sees the end finds the mail, too
            return cause

        self._jobs.start(job_id, work)
        return job_id

    def bundle_status(self, replica: Replica, job_id: str) -> JSONObject | None:
        """Return the status object of a bundle's job, None when there is no such job here."""
        status = _status(replica.checkout, job_id)
        if status is None or status.get("status") != "RUNNING":
            return status
        try:
            ended = self._jobs.poll(job_id)
        except KeyError:  # somebody else's
            return status
        if ended is None:
            return status
        written = _status(replica.checkout, job_id)
        return {"status": "FAILED", "cause": _SILENT} if written == status else written

    def _is_ready(self, infos: list[ObjectInfo | None], renew: Callable[[], object]) -> bool:
        ages = [self._clock() - info.modified for info in infos if info is not None]
        if len(ages) < len(infos) or any(age >= _LIFETIME - _MARGIN for age in ages):
            return False
        if any(age > _REFRESH for age in ages):
            renew()
        return True


def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_WORKERS, thread_name_prefix="dss-local-job")


def _copy(
    source: Bucket, files: Mapping[str, FileMetadata | ManifestFile], target: Bucket
) -> str | None:
    """Copy the contents of files to their keys, return why that failed."""
    for key, file in files.items():
        what = f"Blob {file['sha256']}"
        try:
            blob = source.info(blob_key(file))
            if blob is None:
                return f"{what} is missing"
            if blob.size != file["size"]:
                return f"{what} has {blob.size} bytes, not {file['size']}"
            with source.open(blob_key(file)) as stream:
                target.put_stream(key, stream)
        except (OSError, BadKey) as error:
            _logger.warning("%s could not be copied to %s: %s", what, target.name, error)
            return f"{what} could not be written to bucket {target.name!r}"
    return None


def _bundle_keys(fqid: str, manifest: Manifest) -> dict[str, ManifestFile]:
    """Return the keys of a bundle's files in a checkout bucket; old manifests repeat names."""
    return {f"bundles/{fqid}/{file['name']}": file for file in manifest["files"]}


def _status(bucket: Bucket, job_id: str) -> JSONObject | None:
    return documents.decode(bucket.get(f"{_STATUS}{job_id}.json"))


def _put_status(bucket: Bucket, job_id: str, status: JSONObject) -> None:
    bucket.put(f"{_STATUS}{job_id}.json", documents.encode(status))


def _write_mail(folder: Path, job_id: str, to: str, fqid: str, status: JSONObject) -> None:
    outcome = status.get("location") or status.get("cause")
    end = "complete" if "location" in status else "failed"
    lines = [
        f"From: {_SENDER}",
        f"To: {' '.join(to.split())}",
        f"Date: {formatdate()}",
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
