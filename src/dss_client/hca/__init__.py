"""For scripts that use `hca`: change the import, and they run.

The same class, method and argument names, and the same plain answers, over `dss_client.DSSClient`.

Example:
    ::

        from dss_client.hca.dss import DSSClient

        dss = DSSClient()
        for hit in dss.post_search.iterate(replica="aws", es_query={}):
            print(hit["bundle_fqid"])
"""

from . import dss, util
from .config import HCAConfig, get_config, logger
from .dss import DSSClient
from .util import tsv
from .util.exceptions import SwaggerAPIException

__all__ = [
    "DSSClient",
    "HCAConfig",
    "SwaggerAPIException",
    "dss",
    "get_config",
    "logger",
    "tsv",
    "util",
]
