"""Staging in S3 and in S3-compatible services (extra ``upload``: boto3)."""

import base64
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

from attrs import field, frozen

from dss_client._redact import mask

from .checksums import Checksums
from .errors import LostUpload, StagingError
from .extra import load

__all__ = ["S3Staging"]

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
            MissingExtra: boto3 is not installed.
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

    def find(self, key: str) -> Checksums | None:
        """Read the tags of an object, if its content is what they say."""
        with suppress(StagingError), self._at(key):
            head = self._client.head_object(Bucket=self.bucket, Key=key)
            answer = self._client.get_object_tagging(Bucket=self.bucket, Key=key)
            tags = {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
            checksums = Checksums.from_claims(tags)
            if checksums is not None:
                self._verify(key, head, checksums.s3_etag)
            return checksums
        return None

    def put(self, key: str, data: bytes, content_type: str, checksums: Checksums) -> None:
        """Put an object, its checksums as tags, in one request."""
        with self._at(key):
            answer = self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                ContentType=content_type,
                ContentMD5=_base64(checksums.s3_etag),
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

    def parts(self, key: str, upload: str) -> Mapping[int, str] | None:
        """List the parts."""
        parts: dict[int, str] = {}
        try:
            with self._at(key):
                pages = self._client.get_paginator("list_parts")
                for page in pages.paginate(Bucket=self.bucket, Key=key, UploadId=upload):
                    parts |= {each["PartNumber"]: _etag(each) for each in page.get("Parts", [])}
        except LostUpload:
            if self._head(key) is None:
                raise
            return None
        except StagingError:  # such as no permission; then they are sent again
            return {}
        return parts

    def put_part(self, key: str, upload: str, number: int, data: bytes, md5: str) -> str:
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
        self._verify(key, answer, md5)
        return _etag(answer)

    def complete(
        self,
        key: str,
        upload: str,
        etags: Sequence[str],
        content_type: str,
        checksums: Checksums,
    ) -> None:
        """Join the parts, compare the etag, and set the tags."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        try:
            with self._at(key):
                answer = self._client.complete_multipart_upload(
                    Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
                )
            self._verify(key, answer, checksums.s3_etag)
        except LostUpload:
            # An earlier run, or a try whose answer was lost, may have joined them.
            answer = self._head(key)
            if answer is None or not _has_etag(answer, checksums.s3_etag):
                raise
        tags = [{"Key": name, "Value": text} for name, text in checksums.claims().items()]
        with self._at(key):
            self._client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tags})

    def _head(self, key: str) -> Any:
        """Return what S3 says of an object; None if it does not show one."""
        with suppress(StagingError), self._at(key):
            return self._client.head_object(Bucket=self.bucket, Key=key)
        return None

    def abort(self, key: str, upload: str) -> None:
        """Remove the parts."""
        with suppress(StagingError), self._at(key):
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)

    def _at(self, key: str) -> Any:
        return _translated(f"s3://{self.bucket}/{key}")

    def _verify(self, key: str, answer: Any, expected: str) -> None:
        if not _has_etag(answer, expected):
            raise StagingError(
                f"s3://{self.bucket}/{key}",
                f"the bucket has etag {_etag(answer)!r}, and what was sent has {expected!r};"
                " upload again",
            )


def _etag(answer: Any) -> str:
    return str(answer.get("ETag", "")).strip('"')


def _has_etag(answer: Any, expected: str) -> bool:
    return _etag(answer) == expected or answer.get("ServerSideEncryption") in _OPAQUE


def _base64(md5: str) -> str:
    return base64.b64encode(bytes.fromhex(md5)).decode("ascii")


@contextmanager
def _translated(place: str) -> Generator[None]:
    """Turn boto3's errors into ours."""
    exceptions = load("botocore.exceptions", "upload")
    client_error: type[Exception] = exceptions.ClientError
    try:
        yield
    except client_error as error:
        problem = getattr(error, "response", {}).get("Error", {})
        code, text = str(problem.get("Code", "")), str(problem.get("Message", ""))
        kind = LostUpload if code == "NoSuchUpload" else StagingError
        raise kind(place, mask(f"S3 says {code}: {text}")) from error
    except (exceptions.BotoCoreError, exceptions.HTTPClientError) as error:
        remedy = ""
        if "Credentials" in type(error).__name__:
            remedy = (
                "; S3 needs credentials where its own tools look for them, such as"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials"
            )
        raise StagingError(place, f"{mask(str(error))}{remedy}") from error
