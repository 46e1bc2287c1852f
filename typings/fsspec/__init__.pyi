# What this project uses of fsspec, which has no types of its own.

from typing import Any, BinaryIO

from .spec import AbstractFileSystem

def filesystem(protocol: str, **storage_options: Any) -> AbstractFileSystem: ...
def open(  # noqa: A001 (its name there)
    urlpath: str, mode: str = "rb", **options: Any
) -> OpenFile: ...

class OpenFile:
    fs: AbstractFileSystem
    path: str
    def __enter__(self) -> BinaryIO: ...
    def __exit__(self, *error: object) -> None: ...
