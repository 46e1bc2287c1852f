"""The version of this package, in one place."""

import sys

__version__ = "0.1.0"

USER_AGENT = f"dss-client/{__version__} python/{'.'.join(map(str, sys.version_info[:3]))}"
"""What every request says of its sender."""
