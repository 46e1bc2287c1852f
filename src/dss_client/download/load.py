"""How busy this process is, which decides whether more threads would help."""

import time

__all__ = ["Load"]

_BUSY = 0.5  # part of one processor


class Load:
    """The processor time that this process has used since it was last asked about."""

    def __init__(self) -> None:
        self._looked_at = time.monotonic(), time.process_time()

    def is_light(self) -> bool:
        """Tell whether less than half of one processor was used since the last time."""
        wall, cpu = time.monotonic(), time.process_time()
        light = cpu - self._looked_at[1] < _BUSY * (wall - self._looked_at[0])
        self._looked_at = wall, cpu
        return light
