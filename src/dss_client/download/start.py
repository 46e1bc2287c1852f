"""An engine as the options of a download want it."""

import os
from pathlib import Path

from dss_client.transfer.progress import Progress

from .engine import Engine, Limits
from .options import DownloadOptions
from .plan import BundleRule
from .source import HasSource, Source, as_source

__all__ = ["new_engine"]

THREADS = max(8, min(16, 2 * (os.cpu_count() or 1)))
CONNECTIONS = 128
QUESTIONS = 32


def new_engine(source: Source | HasSource, options: DownloadOptions) -> Engine:
    """Return an engine for one download."""
    return Engine(
        as_source(source),
        rule=BundleRule(
            replica=options.replica,
            download_dir=Path(options.download_dir),
            clash=options.clash,
            portable=options.portable,
            ask_urls=not options.dry_run,
        ),
        limits=Limits(
            loops=min(options.threads or THREADS, (os.cpu_count() or 1) + 1),
            large=options.threads or THREADS,
            connections=options.threads or CONNECTIONS,
            questions=min(options.threads or QUESTIONS, QUESTIONS),
            num_retries=options.num_retries,
            min_delay_seconds=options.min_delay_seconds,
        ),
        progress=Progress(options.progress),
        verify=options.verify,
        durable=options.durable,
        dry_run=options.dry_run,
        stop=options.stop,
    )
