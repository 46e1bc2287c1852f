"""The reference client as a contender, with its default threads.

What it needs on a Python of today is set here, at run time only.
"""

import asyncio
import importlib
import types
from typing import Any

from benchmarks.measure import Call, Job, serve


def prepare(job: Job) -> Call:
    vars(asyncio)["coroutine"] = types.coroutine  # gone since Python 3.11, used at import
    util: Any = importlib.import_module("hca.util")
    util.SwaggerClient.scheme = job["url"].partition("://")[0]
    client: Any = importlib.import_module("hca.dss").DSSClient()

    def call() -> object:
        return client.download_manifest(
            manifest=job["manifest"],
            replica="aws",
            layout=job["layout"],
            download_dir=job["download_dir"],
        )

    return call


if __name__ == "__main__":
    serve(prepare)
