"""`prepare`, `exec` and `url`: what deployments, scripts and BI tools need."""

import os

import typer

from analytics_dagster.cli.console import errors, out, print_json
from analytics_dagster.cli.launching import launch
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.settings import settings
from analytics_dagster.warehouse import keep_across_exec, warehouse_url

FORWARD_ALL = {"allow_extra_args": True, "ignore_unknown_options": True}


def register(app: typer.Typer) -> None:
    app.command()(prepare)
    app.command("exec", context_settings=FORWARD_ALL)(execute)
    app.command()(url)


def prepare() -> None:
    """Create or migrate the tables, register the tenants and make the views: once for each deployment."""
    from analytics_dagster.transform import ensure_manifest

    with errors.status("Preparing the warehouse"):
        chosen, _ = prepared()
        ensure_manifest(chosen)
    raise typer.Exit(0 if launch("deploy", chosen) else 1)


def execute(context: typer.Context) -> None:
    """Run a program with the environment that Dagster, dbt and MLflow need here: exec -- dagster run list."""
    if not context.args:
        raise typer.BadParameter("name the program to run", param_hint="PROGRAM")
    prepared()
    keep_across_exec()
    try:
        os.execvp(context.args[0], context.args)  # noqa: S606 - running the given program is the command
    except OSError as error:
        said = f"{context.args[0]!r} cannot be run: {error.strerror}"
        raise typer.BadParameter(said, param_hint="PROGRAM") from None


def url(
    *,
    as_json: bool = typer.Option(False, "--json", help="The parts, for a script."),
    with_password: bool = typer.Option(False, "--with-password", help="Print the password too."),
) -> None:
    """Print the address of the warehouse."""
    address = warehouse_url(settings())
    if as_json:
        parts = {"host": address.host, "port": address.port, "user": address.user, "database": address.database}
        print_json(parts | ({"password": address.password} if with_password else {}))
    else:
        out.print(address.text(with_password=with_password), markup=False, highlight=False, soft_wrap=True)
