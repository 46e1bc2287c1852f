"""The functions that download, with their options as keywords."""

from typing import Any

from attrs import fields_dict

from dss_client import download
from dss_client.download import DownloadOptions, DownloadReport, Source
from dss_client.download.source import HasSource

__all__ = ["download_bundle", "download_manifest"]


def download_bundle(source: Source | HasSource, **given: Any) -> DownloadReport:
    return download.download_bundle(source, _options(given), **given)


def download_manifest(source: Source | HasSource, **given: Any) -> DownloadReport:
    return download.download_manifest(source, _options(given), **given)


def _options(given: dict[str, Any]) -> DownloadOptions:
    names = fields_dict(DownloadOptions).keys() & given.keys()
    return DownloadOptions(**{name: given.pop(name) for name in names})
