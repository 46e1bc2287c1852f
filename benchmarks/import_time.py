"""What `import dss_client` costs, against `import httpx, pydantic`, in one run.

Each round starts one fresh interpreter for each, in turn, so that whatever else the machine does
falls on both; the figure is the ratio of the medians.
"""

import argparse
import statistics
import subprocess
import sys

GOAL = 0.9
LIMIT = 1.5  # far beyond the goal: fails on a lost laziness, never on a busy machine
SUBJECTS = {
    "nothing": "pass",
    "httpx, pydantic": "import httpx, pydantic",
    "dss_client": "import dss_client",
    "dss_client, first operation": "import dss_client._sync.operations.get_bundle",
}
PROBE = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def seconds(statement: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(rounds + 1):
        for name, statement in SUBJECTS.items():
            times[name].append(seconds(statement))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    for name, median in medians.items():
        print(f"import {name:<28} {median * 1000:7.1f} ms (median of {rounds})")
    ratio = medians["dss_client"] / medians["httpx, pydantic"]
    print(f"import ratio {ratio:.2f} (goal <= {GOAL})")
    return 1 if ratio > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
