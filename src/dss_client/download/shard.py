"""Which part of a download is for this run: the same on every machine and in every Python."""

import hashlib
import os
import re
from typing import Self

from attrs import frozen

from dss_client.errors import InvalidArgument

__all__ = ["Shard"]

_FORM = re.compile(r"(auto|[0-9]{1,9}|)/([0-9]{1,9})")
# The variables in which schedulers tell a job its number, and their first number. Slurm, PBS and
# Torque take what the array was given, and that should be 1.
_VARIABLES = {
    "SLURM_ARRAY_TASK_ID": 1,
    "SGE_TASK_ID": 1,
    "PBS_ARRAY_INDEX": 1,
    "PBS_ARRAYID": 1,
    "LSB_JOBINDEX": 1,
    "AWS_BATCH_JOB_ARRAY_INDEX": 0,
    "BATCH_TASK_INDEX": 0,
    "JOB_COMPLETION_INDEX": 0,
}


@frozen
class Shard:
    """One of several parts of about the same size.

    Attributes:
        number: Which, from 1.
        count: How many there are.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read ``3/16``; ``auto/16`` and ``/16`` take the number that a scheduler gives this job.

        None stands for the whole.

        Raises:
            InvalidArgument: It is not a valid shard, or there is no job array.
        """
        if text is None:
            return cls()
        found = _FORM.fullmatch(text)
        number, count = found.groups() if found else ("0", "0")
        shard = cls(
            int(number) if number.isdecimal() else _number_of_job(text, int(count)), int(count)
        )
        if not 1 <= shard.number <= shard.count:
            raise InvalidArgument(
                f"shard={text!r} is not a valid shard: expected I/N with I from 1 to N, such as"
                " 3/16, or auto/N in a job array"
            )
        return shard

    def takes(self, key: str) -> bool:
        """Tell whether what has this key is in the shard."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(key.lower().encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


def _number_of_job(text: str, count: int) -> int:
    """Return the number, from 1, that the scheduler gives a job of an array."""
    for name, first in _VARIABLES.items():
        value = os.environ.get(name, "")
        # Outside of an array Grid Engine says "undefined", and LSF 0.
        if not value.isdecimal() or (name == "LSB_JOBINDEX" and int(value) == 0):
            continue
        number = int(value) + 1 - first
        if not 1 <= number <= count:
            raise InvalidArgument(
                f"{name}={value} is not a valid shard of {count}: number the jobs of the array from"
                f" {first} to {count - 1 + first}"
            )
        return number
    known = ", ".join(_VARIABLES)
    raise InvalidArgument(f"shard={text!r} needs a job array: none of {known} is set")
