"""``python -m dss_client`` is the command ``dss``."""

from .cli import main

main()
