"""Staging in S3 and in S3-compatible services (extra ``upload``: boto3)."""

import base64
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

from attrs import field, frozen

from dss_client._redact import mask

from .checksums import Checksums, joined_etag
from .errors import LostUpload, StagingError
from .extra import load
from .journal import SentPart

__all__ = ["S3Staging"]

_LOST = "NoSuchUpload"
# The etags of objects under a key of the key service are not checksums; S3 still checks every
# body against its Content-MD5.
_OPAQUE = ("aws:kms", "aws:kms:dsse")


@frozen
class S3Staging:
    """A bucket of S3.

    Attributes:
        bucket: Its name.
    """

    bucket: str
    _client: Any = field(repr=False)

    @classmethod
    def open(cls, bucket: str, connections: int) -> "S3Staging":
        """Use a bucket with the credentials, region and endpoint that S3's own tools would use.

        Raises:
            RuntimeError: boto3 is not installed.
            StagingError: boto3's settings are broken.
        """
        boto3 = load("boto3", "upload")
        config = load("botocore.config", "upload").Config(
            max_pool_connections=connections,
            # Content-MD5 says as much, and services that only speak like S3 know it as well.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 5},
        )
        with _translated(f"s3://{bucket}"):
            return cls(bucket, boto3.session.Session().client("s3", config=config))

    @property
    def place(self) -> str:
        """The bucket, and the service that it is in."""
        return f"{self._client.meta.endpoint_url}/{self.bucket}"

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        """Put an object, its checksums as tags, in one request."""
        with self._at(key):
            answer = self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                ContentType=content_type,
                ContentMD5=_base64(bytes.fromhex(checksums.s3_etag)),
                Tagging=urlencode(checksums.claims()),
            )
        self._verify(key, answer, checksums.s3_etag)

    def begin(self, key: str, content_type: str) -> str:
        """Begin a multipart upload."""
        with self._at(key):
            answer = self._client.create_multipart_upload(
                Bucket=self.bucket, Key=key, ContentType=content_type
            )
        return str(answer["UploadId"])

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: bytes) -> str:
        """Put a part."""
        with self._at(key):
            answer = self._client.upload_part(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=data,
                ContentMD5=_base64(md5),
            )
        self._verify(key, answer, md5.hex())
        return str(answer["ETag"])

    def complete(
        self,
        key: str,
        upload: str,
        parts: Sequence[SentPart],
        content_type: str,
        checksums: Checksums,
    ) -> None:
        """Join the parts, compare the etag, and set the tags."""
        etag = joined_etag([bytes.fromhex(part.md5) for part in parts])
        self._verify(key, self._joined(key, upload, parts, etag), etag)
        tags = [{"Key": name, "Value": text} for name, text in checksums.claims().items()]
        with self._at(key):
            self._client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tags})

    def _joined(self, key: str, upload: str, parts: Sequence[SentPart], etag: str) -> Any:
        numbered = [
            {"PartNumber": number, "ETag": part.etag} for number, part in enumerate(parts, 1)
        ]
        try:
            with self._at(key):
                return self._client.complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload,
                    MultipartUpload={"Parts": numbered},
                )
        except LostUpload:
            # An earlier run, or a try whose answer was lost, may have joined them.
            with suppress(StagingError), self._at(key):
                answer = self._client.head_object(Bucket=self.bucket, Key=key)
                self._verify(key, answer, etag)
                return answer
            raise

    def abort(self, key: str, upload: str) -> None:
        """Remove the parts."""
        with suppress(StagingError), self._at(key):
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)

    def _at(self, key: str) -> Any:
        return _translated(f"s3://{self.bucket}/{key}")

    def _verify(self, key: str, answer: Any, expected: str) -> None:
        found = str(answer.get("ETag", "")).strip('"')
        if found != expected and answer.get("ServerSideEncryption") not in _OPAQUE:
            raise StagingError(
                f"s3://{self.bucket}/{key}",
                f"the bucket has etag {found!r}, and what was sent has {expected!r}; upload again",
            )


def _base64(md5: bytes) -> str:
    return base64.b64encode(md5).decode("ascii")


@contextmanager
def _translated(place: str) -> Generator[None]:
    """Turn boto3's errors into ours."""
    exceptions = load("botocore.exceptions", "upload")
    client_error: type[Exception] = exceptions.ClientError
    try:
        yield
    except (client_error, exceptions.BotoCoreError, exceptions.HTTPClientError) as error:
        if isinstance(error, client_error):
            problem = getattr(error, "response", {}).get("Error", {})
            code, text = str(problem.get("Code", "")), str(problem.get("Message", ""))
            kind = LostUpload if code == _LOST else StagingError
            raise kind(place, mask(f"S3 says {code}: {text}")) from error
        raise StagingError(place, f"{mask(str(error))}{_remedy(error)}") from error


def _remedy(error: Exception) -> str:
    if "redentials" not in type(error).__name__:
        return ""
    return (
        "; S3 needs credentials where its own tools look for them, such as AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials"
    )
