"""The headings under which ``dss --help`` lists the commands."""

from collections.abc import Mapping

__all__ = ["GROUPS"]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Find and read": ("search", "get-bundle", "replay-events", "api"),
    "Download": (
        "download",
        "download-file",
        "download-manifest",
        "download-search",
        "download-collection",
        "export-manifest",
        "checkout",
    ),
    "Look after a directory of downloads": ("verify", "gc"),
    "Upload and change": ("upload", "create-collection", "update-collection", "create-version"),
    "A DSS on this machine": ("demo", "serve", "load", "reindex"),
    "Login and settings": (
        "login",
        "logout",
        "whoami",
        "config",
        "refresh-swagger",
        "clear-cache",
        "completion",
    ),
}
"""The commands of each; one stands in exactly one."""
