"""``dss checkout``: copy a bundle to a bucket."""

from typing import TYPE_CHECKING

import click

from dss_client import Replica

from .._app import CliContext, app, pass_cli_context
from ..output import emit
from ..params import (
    BundleId,
    bundle_argument,
    bundle_version_option,
    replica_option,
)

if TYPE_CHECKING:
    from dss_client import CheckoutJob, CheckoutStatus


@app.command()
@bundle_argument(required=False)
@replica_option
@bundle_version_option
@click.option("--destination", metavar="BUCKET", help="Copy to this bucket, not the service's own.")
@click.option(
    "--email", metavar="ADDRESS", help="Send an email to this address when the copy is done."
)
@click.option("--job", "job_id", metavar="ID", help="Continue with a job instead of starting one.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the copy is done.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait.",
)
@pass_cli_context
def checkout(
    cli: CliContext,
    bundle: BundleId | None,
    replica: Replica,
    version: str | None,
    destination: str | None,
    email: str | None,
    job_id: str | None,
    no_wait: bool,
    timeout: float,
) -> None:
    """Copy a bundle to a bucket.

    Prints where the copy is; with --no-wait prints the id of the job. --job ID continues with that
    job, in the same replica.
    """
    from dss_client import CheckoutJob

    if job_id is not None:
        _refuse_beside_job(bundle, version=version, destination=destination, email=email)
    elif bundle is None:
        raise click.UsageError("name a bundle, or continue with a job: --job ID")
    with cli.client() as client:
        if bundle is None:
            job = CheckoutJob.attach(client, job_id or "", replica=replica)
        else:
            asked = bundle.at(version)
            job = client.checkout(
                uuid=asked.uuid,
                replica=replica,
                version=asked.version,
                destination=destination,
                email=email,
            )
            if not no_wait:
                click.echo(f"checkout job {job.job_id}", err=True)
        status = _status(job, timeout, just_started=bundle is not None, wait=not no_wait)
    _show(cli, job, status, just_started=bundle is not None)


def _refuse_beside_job(bundle: BundleId | None, **options: str | None) -> None:
    given = ["the bundle"] if bundle else []
    given += [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise click.UsageError(f"--job continues a job as it was started: leave out {given[0]}")


def _status(
    job: "CheckoutJob", timeout: float, *, just_started: bool, wait: bool
) -> "CheckoutStatus":
    from dss_client import CheckoutStatus, CheckoutTimeout

    if not wait:
        status = CheckoutStatus("RUNNING") if just_started else job.status()
        if status.is_done:
            status.result(job.job_id)  # raises for a job that failed
        return status
    try:
        return CheckoutStatus("SUCCEEDED", job.wait(timeout))
    except CheckoutTimeout as error:
        raise click.ClickException(
            f"checkout job {job.job_id} still runs after {error.seconds:.1f} s;"
            f" go on with: dss checkout --job {job.job_id} --replica {job.replica}"
        ) from error


def _show(
    cli: CliContext, job: "CheckoutJob", status: "CheckoutStatus", *, just_started: bool
) -> None:
    document = {
        "job_id": job.job_id,
        "replica": job.replica,
        "state": status.state,
        "location": status.location,
    }
    running = job.job_id if just_started else status.state
    emit(document, [status.location or running], as_json=cli.as_json)
