"""``python -m dss_client`` is the command ``dss``."""

from .cli import main

if __name__ == "__main__":  # and not in the processes that it starts
    main()
