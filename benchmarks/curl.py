"""curl as a contender: every URL of a list into a file of its own, nothing verified."""

import subprocess
from pathlib import Path

from benchmarks.measure import Call, Job, serve


def prepare(job: Job) -> Call:
    folder = Path(job["download_dir"])
    config = Path("curl.config")
    with Path(job["urls"]).open() as urls, config.open("w") as file:
        for number, url in enumerate(urls):
            file.write(f'url = "{url.rstrip()}"\noutput = "{folder / str(number)}"\n')
    command = ["curl", "--disable", "--silent", "--show-error", "--fail", "--location"]
    command += ["--parallel", "--parallel-max", str(job["connections"]), "--config", str(config)]

    def call() -> None:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"curl ended with {done.returncode}: {done.stderr[:200]}")

    return call


if __name__ == "__main__":
    serve(prepare)
