"""Errors of uploads."""

from dss_client.errors import DSSError

__all__ = ["LostUpload", "StagingError", "UploadError"]


class UploadError(DSSError):
    """A file or directory could not be uploaded.

    What was sent is kept: the same call continues from there.

    Attributes:
        name: The file's name in the bundle, or the directory.
        reason: What is wrong, and what to do.
        cause: The error behind it, if any.
    """

    def __init__(self, name: str, reason: str, *, cause: Exception | None = None) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason
        self.cause = cause
        self.__cause__: BaseException | None = cause

    def __str__(self) -> str:
        return f"{self.name!r}: {self.reason}"


class StagingError(DSSError):
    """The staging bucket refused, failed, or does not hold what was sent.

    Attributes:
        place: URL of the object.
        reason: What is wrong.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class LostUpload(StagingError):
    """The parts that an earlier run sent are gone: the object must be sent again."""
