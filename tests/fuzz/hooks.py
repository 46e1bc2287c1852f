"""The formats of this API, for schemathesis."""

from datetime import UTC, datetime

import schemathesis
from hypothesis import strategies as st

from dss_client.versions import format_version

_MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as Hypothesis wants it

schemathesis.openapi.format("DSS_VERSION", _MOMENTS.map(format_version))
