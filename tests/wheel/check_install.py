"""Run by the wheel session, in a bare environment that holds the wheel and its core needs only."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path


def check_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("dss_client/py.typed", "dss_client/swagger.json", "dss_client/models.py"):
        assert needed in names, f"{needed} is not in the wheel"
    strays = [name for name in names if not name.startswith(("dss_client/", "dss_client-"))]
    assert not strays, f"the wheel holds files that are not part of the package: {strays}"
    readme = importlib.metadata.metadata("dss-client").json["description"]
    relative = re.findall(r"\]\((?!https?:|#)[^)]+\)", str(readme))
    assert not relative, f"links of the README that lead nowhere on PyPI: {relative}"


def check_core_install() -> None:
    for extra in ("click", "rich", "starlette", "uvicorn", "jsonschema", "openapi_python_client"):
        assert importlib.util.find_spec(extra) is None, f"{extra} is here: not a bare environment"
    import dss_client
    from dss_client import _spec

    assert dss_client.__version__ == importlib.metadata.version("dss-client")
    assert "site-packages" in str(dss_client.__file__)
    for name in dss_client.__all__:
        getattr(dss_client, name)
    assert _spec.load()["swagger"] == "2.0"
    with dss_client.DSSClient("http://127.0.0.1:9/v1", retries=0) as dss:
        operations = [name for name in dir(dss) if name.startswith(("get_", "put_", "post_"))]
        for name in operations:
            getattr(dss, name)
        try:
            dss.get_bundle(uuid="0", replica="aws")
        except dss_client.DSSConnectionError:
            pass
        else:
            raise AssertionError("nothing listens on port 9, and yet it answered")


def check_missing_extra() -> None:
    command = [str(Path(sys.executable).with_name("dss")), "create-version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert "dss-client[cli]" in done.stderr, done
    assert "Traceback" not in done.stderr, done


def main() -> None:
    check_contents(Path(sys.argv[1]))
    check_core_install()
    check_missing_extra()
    print("the wheel works on its own")


if __name__ == "__main__":
    main()
