"""`collect`: the HTTP collector until SIGTERM; `collect key`: the write keys that producers post with."""

import logging
import sys

import typer

from analytics_dagster.cli.console import errors, out, print_json, table
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.warehouse import connect

keys = typer.Typer(help="The write keys that producers post with.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    group = typer.Typer()
    group.callback(invoke_without_command=True)(collect)
    group.add_typer(keys, name="key")
    app.add_typer(group, name="collect")


def collect(context: typer.Context) -> None:
    """Take events over HTTP and write them to the landing folder, until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand:
        return
    from analytics_dagster.collector.server import serve

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with errors.status("Starting the warehouse"):
        chosen, url = prepared()

    def tell(address: str) -> None:
        out.print(f"Collecting at {address} — stop it with Ctrl-C.", highlight=False, soft_wrap=True)

    serve(chosen, url, on_start=tell)


@keys.command()
def create(tenant: str = typer.Argument(help="A registered tenant.")) -> None:
    """Make a write key of a tenant and print it, once."""
    from analytics_dagster.collector import create_key

    _, url = prepared()
    with connect(url) as connection:
        key = create_key(connection, tenant)
    out.print(key, markup=False, highlight=False, soft_wrap=True)
    errors.print("Keep it: only its hash is stored, and it is not shown again.")


@keys.command("list")
def list_(*, as_json: bool = typer.Option(False, "--json", help="Print it as JSON.")) -> None:
    """Show every write key, by its first characters."""
    from analytics_dagster.collector import list_keys

    _, url = prepared()
    with connect(url) as connection:
        found = list_keys(connection)
    if as_json:
        print_json([vars(key) for key in found])
        return
    columns = ["number", "tenant", "begins with", "created", "revoked"]
    rows = [
        (
            key.key_id,
            key.tenant_id,
            key.hint,
            f"{key.created_at:%Y-%m-%d %H:%M:%S}",
            f"{key.revoked_at:%Y-%m-%d %H:%M:%S}" if key.revoked_at else None,
        )
        for key in found
    ]
    out.print(table("Write keys", columns, rows))


@keys.command()
def revoke(key_id: int = typer.Argument(help="Its number, as `collect key list` shows it.")) -> None:
    """Refuse a write key from now on; running collectors follow within ANALYTICS_COLLECTOR_REFRESH_SECONDS."""
    from analytics_dagster.collector import revoke_key

    _, url = prepared()
    with connect(url) as connection:
        revoked = revoke_key(connection, key_id)
    out.print(f"Key {revoked.key_id} ({revoked.hint}…) of {revoked.tenant_id} is revoked.", markup=False)
