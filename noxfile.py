"""Every check of the project, one session each; ``nox`` runs those that CI runs.

nox -s checks        all that a plain `nox` runs beside the tests; each is a session of its own
nox -s docs          the site, in docs/_build/html; its notebook is run
nox -s demo          the main job on the embedded DSS
nox -s generate      write the generated code anew (-- --check: only say what differs)
nox -s peer          the reference client against the embedded DSS
nox -s schemathesis  the specification's own questions to the embedded DSS
nox -s snakemake     the plugin for Snakemake, and a workflow that uses it
nox -s compat        the tests on every supported Python that is installed
nox -s lowest        the tests on the lowest versions that pyproject.toml allows: some minutes, so
                     that it is no part of a plain `nox`
nox -s coverage      the tests with coverage: a third slower, so that it is no part of a plain `nox`
nox -s lab           the long forms of the tests of downloads that fail or are killed at any moment:
                     an hour, so that it is no part of a plain `nox`
nox -s bench         figures of the embedded DSS and of imports; a report, not a gate
nox -s downloads     figures of downloads, for benchmarks/RESULTS.md; the same
nox -s release       what is uploaded to PyPI and to bioconda, in dist/ (-- v1.2.3: its tag)
"""

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nox

# The tests start hundreds of processes: each would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["checks", "tests"]  # a run ends with the number of tests that passed

# Three at a time: most of them keep one processor busy, or wait for the network. The longest first.
CHECKS = [
    "schemathesis",
    "extras",
    "types",
    "peer",
    "docs",
    "wheel",
    "snakemake",
    "lint",
    "project",
    "imports",
    "drift",
]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
WORKERS = str(max(4, os.cpu_count() or 1))  # of tests, which often wait for a process or a socket
COVERAGE = "95"  # per cent; much of downloads is tested in processes that are killed


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PYPROJECT, name))


@nox.session(venv_backend="none")
def checks(session: nox.Session) -> None:
    """Run all that a plain `nox` runs beside the tests."""

    def run(name: str) -> tuple[str, float]:
        began = time.monotonic()
        session.run(sys.executable, "-m", "nox", "-s", name, silent=True)
        return name, time.monotonic() - began

    with ThreadPoolExecutor(3) as pool:
        for done in as_completed([pool.submit(run, name) for name in CHECKS]):
            name, seconds = done.result()
            session.log(f"{name}: good, after {seconds:.0f} s")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job on the embedded DSS."""
    session.install(".[standard]")
    session.run("dss", "demo", *session.posargs)


@nox.session
def generate(session: nox.Session) -> None:
    """Write the generated code anew from specs/swagger.json."""
    session.install(*group("generate"))
    session.run("python", "-m", "generator", *session.posargs)


@nox.session
def drift(session: nox.Session) -> None:
    """Fail when the generated code is not what the generator writes."""
    session.install(*group("generate"))
    session.run("python", "-m", "generator", "--check")


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, lint rules, and which way imports point."""
    session.install("-e", ".", *group("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy and pyright (as basedpyright, whole from PyPI), and their completeness."""
    session.install(
        "-e",
        ".[standard,fast,s3,upload,upload-gcs]",
        *group("types"),
        *group("generate"),
        *group("test"),
        *group("schemathesis"),
        "nox",
    )
    checks = [
        ["basedpyright"],
        ["mypy"],
        ["basedpyright", "--verifytypes", "dss_client", "--ignoreexternal"],
    ]
    with ThreadPoolExecutor(2) as pool:  # each of them uses one processor
        for said in pool.map(lambda words: session.run(*words, silent=True), checks):
            session.log(said)


def install_for_tests(session: nox.Session) -> None:
    """Install the project with all that its tests need."""
    session.install(
        "-e",
        ".[standard,s3,upload,upload-gcs]",
        *group("test"),
        *group("types"),
        *group("generate"),
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; the typing tests are among them."""
    install_for_tests(session)
    session.run("pytest", *(session.posargs or ["-n", WORKERS]))


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests with coverage."""
    install_for_tests(session)
    session.env["COVERAGE_FILE"] = str(Path(".nox", ".coverage").absolute())
    session.run("pytest", "-n", WORKERS, "--cov", f"--cov-fail-under={COVERAGE}", *session.posargs)


@nox.session
def lab(session: nox.Session) -> None:
    """Fail and kill downloads at any moment, many times; the short forms are among the tests."""
    session.install("-e", ".[standard]", *group("test"))
    session.env["DSS_LAB"] = "1"
    modules = [f"tests/download/test_{name}.py" for name in ("every_call", "at_any_moment")]
    session.run("pytest", *modules, *session.posargs)


@nox.session(python=PYTHONS)
def compat(session: nox.Session) -> None:
    """Run the tests on every supported Python that is installed."""
    session.install(
        "-e",
        ".[standard,s3,upload,upload-gcs]",
        *group("test"),
        *group("types"),
        *group("generate"),
    )
    session.run("pytest", "-n", WORKERS, *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the tests on the lowest versions of the dependencies, those of all extras."""
    session.install(*group("test"), *group("types"), *group("generate"))
    extras = ",".join(PYPROJECT["project"]["optional-dependencies"])
    # Last, with --upgrade: it lowers what the tests' own tools have brought.
    session.install("--upgrade", "--resolution", "lowest-direct", "-e", f".[{extras}]")
    session.run("pytest", "-n", WORKERS, *session.posargs)


def bare(session: nox.Session, folder: Path, *packages: str) -> Path:
    """Make an environment beside the session's, with these alone; return where its programs are."""
    python = str(Path(session.bin, "python"))
    session.run("uv", "venv", "-q", "--clear", "--python", python, str(folder))
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    add(session, scripts, *packages)
    return scripts


def add(session: nox.Session, scripts: Path, *packages: str) -> None:
    """Install packages into an environment that `bare` made."""
    session.run("uv", "pip", "install", "-q", "--python", str(scripts / "python"), *packages)


def reference_client(session: nox.Session) -> str:
    """Install the reference client into an environment of its own; return its interpreter."""
    folder = Path(session.create_tmp(), "hca").absolute()
    return str(bare(session, folder, *group("peer")) / "python")


@nox.session(python="3.11")
def peer(session: nox.Session) -> None:
    """Run the reference client, in an environment of its own, against the embedded DSS.

    Its downloads are compared with ours on uvloop; the other tests use the loop of asyncio.
    """
    session.install("-e", ".[standard,fast,s3,upload]", *group("test"))
    python = reference_client(session)
    session.env["DSS_PEER_PYTHON"] = python
    session.run("pytest", "tests/peer", *session.posargs)


@nox.session
def schemathesis(session: nox.Session) -> None:
    """Fuzz every operation of the embedded DSS, over the pinned specification."""
    session.install("-e", ".[standard]", *group("schemathesis"), *group("generate"))
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def snakemake(session: nox.Session) -> None:
    """Test the plugin for Snakemake, check its types, and run a workflow that uses it."""
    plugin = Path("integrations", "snakemake-storage-plugin-dss").absolute()
    needed = nox.project.dependency_groups(nox.project.load_toml(plugin / "pyproject.toml"), "test")
    session.install("-e", ".[fsspec,local]", "-e", str(plugin), *needed)
    with session.chdir(plugin):
        session.run("mypy", "src", "tests")
        session.run("pytest", *session.posargs)


@nox.session
def imports(session: nox.Session) -> None:
    """Measure what `import dss_client` costs; fails only far beyond its budget."""
    session.install(".")
    session.run("python", "benchmarks/import_time.py", "--rounds", "5", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks."""
    session.install(".[standard]")
    session.run("python", "benchmarks/import_time.py", "--rounds", "40")
    session.run("python", "benchmarks/local_server.py")


@nox.session
def downloads(session: nox.Session) -> None:
    """Measure downloads against the reference client, curl and plain sockets (needs nginx)."""
    session.install(".[standard]")
    theirs = reference_client(session)
    session.run("python", "-m", "benchmarks", "--hca", theirs, *session.posargs)


@nox.session
def extras(session: nox.Session) -> None:
    """Resolve all extras together with an old pip, which asks for versions in another order."""
    session.install("pip==23.2.1")
    names = ",".join(PYPROJECT["project"]["optional-dependencies"])
    session.run("python", "-m", "pip", "install", "--dry-run", "--quiet", f".[{names}]")


@nox.session
def project(session: nox.Session) -> None:
    """Check files for GitHub, citations and the changelog, and the API against the last release."""
    session.install(*group("project"))
    forms = Path(".github", "ISSUE_TEMPLATE")
    for schema, files in {
        "github-workflows": Path(".github", "workflows").glob("*.yml"),
        "readthedocs": [Path(".readthedocs.yaml")],
        "dependabot": [Path(".github", "dependabot.yml")],
        "github-issue-forms": [forms / "bug.yml", forms / "feature.yml"],
        "github-issue-config": [forms / "config.yml"],
        "citation-file-format": [Path("CITATION.cff")],
    }.items():
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files))
    session.run("pre-commit", "validate-config", ".pre-commit-config.yaml")
    session.run("towncrier", "build", "--draft", "--version", "next")
    tags = str(session.run("git", "tag", "--list", "v*", "--merged", silent=True, external=True))
    if tags.strip():
        last = max(tags.split(), key=lambda tag: tuple(map(int, re.findall(r"\d+", tag))))
        session.run("griffe", "check", "dss_client", "--search", "src", "--against", last)
    else:
        session.log("no release to compare the API with: there is no tag v*")


@nox.session
def release(session: nox.Session) -> None:
    """Write what is uploaded to dist/: sdist, wheel, and the recipe for bioconda."""
    session.install(*group("build"))
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build", "--installer", "uv")
    archive = next(Path("dist").glob("*.tar.gz"))
    version = archive.name.removeprefix("dss_client-").removesuffix(".tar.gz")
    if session.posargs and session.posargs != [f"v{version}"]:
        session.error(f"the tag is {session.posargs[0]}, the version of the package {version}")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    recipe = Path("packaging", "bioconda", "meta.yaml").read_text(encoding="utf-8")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    recipe = recipe.replace("@VERSION@", version).replace("@SHA256@", digest)
    Path("dist", "meta.yaml").write_text(recipe, encoding="utf-8")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, and run its notebook; a warning is an error (-- linkcheck: foreign links)."""
    session.install(".[standard,fsspec,pandas,upload]", *group("docs"))
    builder = session.posargs[0] if session.posargs else "html"
    target = str(Path("docs", "_build", builder))
    session.run("sphinx-build", "-b", builder, "-W", "--keep-going", "-q", "-E", "docs", target)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it alone into a bare environment, and use it there."""
    session.install(*group("build"))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        build = ("python", "-m", "build", "--installer", "uv")
        session.run(*build, "--outdir", str(work / "dist"), silent=True)
        built = next((work / "dist").glob("*.whl"))
        scripts = bare(session, work / "bare", str(built))
        script = str(Path("tests", "wheel", "check_install.py").resolve())
        with session.chdir(work):
            session.run(str(scripts / "python"), "-I", script, str(built), external=True)
            add(session, scripts, f"{built}[standard]")
            session.run(str(scripts / "dss"), "demo", "--dir", str(work / "demo"), external=True)
