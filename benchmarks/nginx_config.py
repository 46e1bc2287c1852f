"""The configuration of an nginx that stands for storage and API."""

import json
import os
import pwd
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from .certificates import Certificates
from .corpus import VERSION

HOST = "127.0.0.1"
_DSS_HEADERS = {
    "X-DSS-VERSION": VERSION,
    "X-DSS-CREATOR-UID": "0",
    "X-DSS-CONTENT-TYPE": "application/octet-stream",
    "X-DSS-SIZE": "$file_size",
    "X-DSS-SHA256": "$file_sha256",
    "X-DSS-SHA1": "$file_sha1",
    "X-DSS-S3-ETAG": "$file_s3_etag",
    "X-DSS-CRC32C": "$file_crc32c",
}


@frozen(kw_only=True)
class Serving:
    """How storage and API answer.

    Attributes:
        tls: Over https.
        api_delay: Seconds that each call of the API waits.
        storage_delay: Seconds that each request to the storage waits.
        rate: Bytes a second that one connection to the storage gets; 0 for no limit.
    """

    tls: bool = False
    api_delay: float = 0.0
    storage_delay: float = 0.0
    rate: int = 0

    @property
    def delayed(self) -> bool:
        return self.api_delay > 0 or self.storage_delay > 0


@frozen(kw_only=True)
class Ends:
    """Where API and storage are."""

    scheme: str
    port: int

    @property
    def api(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    @property
    def storage(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port + 1}"


def configuration_text(
    corpus: Path,
    serving: Serving,
    port: int,
    certificates: Certificates | None,
    modules: Iterable[Path],
    flush: float,
) -> str:
    """Return the text of a configuration.

    Args:
        corpus: The folder that is served.
        serving: How.
        port: The API's port; the storage has the next one.
        certificates: The certificate, for https.
        modules: Modules to be loaded.
        flush: Seconds until the log of API calls is written out.
    """
    user = ""
    if os.geteuid() == 0:  # its workers would be nobody, who may not read the folder
        user = f"user {pwd.getpwuid(0).pw_name};\n"
    ends = Ends(scheme="https" if certificates else "http", port=port)
    return _TEMPLATE.format(
        modules="".join(f"load_module {path};\n" for path in modules),
        user=user,
        flush=round(flush * 1000),
        temporary=_temporary_paths(),
        corpus=corpus,
        api=_listen(port, certificates),
        storage=_listen(port + 1, certificates),
        headers="\n      ".join(
            f"add_header {name} {json.dumps(text)};" for name, text in _DSS_HEADERS.items()
        ),
        redirect=_redirect(ends.storage, serving.api_delay),
        api_delay=_sleep(serving.api_delay),
        storage_delay=_sleep(serving.storage_delay),
        rate=serving.rate,
    )


def _redirect(storage: str, delay: float) -> str:
    query = f"?X-Amz-Signature={'5' * 64}"
    if not delay:
        return f'return 302 "{storage}/blobs/$file_sha256{query}";'
    # nginx's own `return` comes before any wait.
    return (
        f"access_by_lua_block {{ ngx.sleep({delay})"
        f' return ngx.redirect("{storage}/blobs/" .. ngx.var.file_sha256 .. "{query}", 302) }}'
    )


_TEMPLATE = """{modules}{user}daemon off;
worker_processes auto;
worker_rlimit_nofile 8192;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  default_type application/octet-stream;
  {temporary}
  log_format calls '$request_method $uri $status';
  map_hash_max_size 65536;
  map_hash_bucket_size 256;
  map $arg_presignedurls $presigned {{ default ""; true ".presigned"; }}
  map $file_uuid $file {{ default ""; include {corpus}/files.map; }}
  map $file $file_sha256 {{ default ""; "~^(?<all>[0-9a-f]+) " $all; }}
  map $file $file_size {{ default ""; "~ (?<digits>[0-9]+)$" $digits; }}
  map $file_sha256 $file_sha1 {{ default ""; "~^(?<forty>.{{40}})" $forty; }}
  map $file_sha256 $file_s3_etag {{ default ""; "~^(?<thirtytwo>.{{32}})" $thirtytwo; }}
  map $file_sha256 $file_crc32c {{ default ""; "~^(?<eight>.{{8}})" $eight; }}
  server {{
    {api}
    access_log calls.log calls buffer=64k flush={flush}ms;
    location = /v1/swagger.json {{
      access_log off;  # clients read it before the clock starts
      default_type application/json;
      root {corpus};
    }}
    location ~ "^/v1/bundles/(?<bundle_uuid>[0-9a-f-]{{36}})$" {{
      {api_delay}
      types {{ }}
      default_type application/json;
      add_header X-OpenAPI-Pagination false;
      add_header X-OpenAPI-Paginated-Content-Key bundle.files;
      alias {corpus}/v1/bundles/$bundle_uuid$presigned.json;
    }}
    location ~ "^/v1/files/(?<file_uuid>[0-9a-f-]{{36}})$" {{
      if ($file_sha256 = "") {{ return 404; }}
      {headers}
      {redirect}
    }}
  }}
  server {{
    {storage}
    limit_rate {rate};
    location /blobs/ {{
      {storage_delay}
      root {corpus};
    }}
  }}
}}
"""


def _temporary_paths() -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {kind};" for kind in kinds)


def _listen(port: int, certificates: Certificates | None) -> str:
    if certificates is None:
        return f"listen {HOST}:{port} backlog=4096;"
    return (
        f"listen {HOST}:{port} ssl backlog=4096;"
        f" ssl_certificate {certificates.chain}; ssl_certificate_key {certificates.key};"
    )


def _sleep(seconds: float) -> str:
    return f"access_by_lua_block {{ ngx.sleep({seconds}) }}" if seconds else ""
