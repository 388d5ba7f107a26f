"""`bi`: logins for BI tools, each for the readers of one tenant or for the analyst. `export` is `bi_export`."""

from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from analytics_dagster.cli.bi_export import export
from analytics_dagster.cli.console import errors, operator, out, print_json, table
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.settings import Settings
from analytics_dagster.tenancy import bi
from analytics_dagster.warehouse import WarehouseUrl, connect, server_status
from analytics_dagster.warehouse.logins import Limits

DEFAULT = Limits()
logins = typer.Typer(
    help="Logins for BI tools: grant, list, revoke; and a mart as a file for a spreadsheet.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def register(app: typer.Typer) -> None:
    logins.command()(export)
    app.add_typer(logins, name="bi")


@logins.command()
def grant(
    tenant: Annotated[str | None, typer.Argument(metavar="[TENANT]", help="Whose rows the login sees.")] = None,
    *,
    analyst: Annotated[bool, typer.Option("--analyst", help="All tenants, no personal columns.")] = False,
    login: Annotated[str | None, typer.Option(help="Its name; bi_TENANT or bi_analyst by default.")] = None,
    connections: Annotated[int, typer.Option(min=1, help="How many sessions at once.")] = DEFAULT.connections,
    statement_seconds: Annotated[int, typer.Option(min=1, help="Longest statement.")] = DEFAULT.statement_seconds,
    as_json: AsJson = False,
) -> None:
    """Make a login, and print how to connect. The password is shown this once and kept nowhere."""
    if bool(tenant) is analyst:
        raise typer.BadParameter("name a tenant, or say --analyst", param_hint="TENANT")
    chosen, url = prepared()
    limits = Limits(connections=connections, statement_seconds=statement_seconds)
    with connect(url) as connection:
        granted = bi.grant(connection, tenant, login=login, limits=limits, actor=operator())
    parts = _connection_settings(chosen, url, granted)
    if as_json:
        print_json(parts)
    else:
        rows = [(name, str(part)) for name, part in parts.items() if name != "url"]
        out.print(table("Connection settings", ["what", "value"], rows))
        out.print(parts["url"], markup=False, highlight=False, soft_wrap=True)
        errors.print("The password is shown this once: keep it where your BI tool keeps its secrets.")
    if chosen.warehouse_url is None:
        errors.print(_reaching_the_embedded_server(str(parts["host"])), soft_wrap=True)
    for door in granted.still_open:
        errors.print(str(door), style="yellow", markup=False, highlight=False, soft_wrap=True)


@logins.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show every login that was granted and not revoked."""
    _, url = prepared()
    with connect(url) as connection:
        found = bi.bi_logins(connection)
    if as_json:
        print_json([asdict(known) for known in found])
        return
    rows = [
        (
            known.login,
            known.tenant_id or "all (analyst)",
            known.granted_at,
            known.granted_by,
            _state(known),
            f"{known.sessions} of {known.most_sessions}",
        )
        for known in found
    ]
    out.print(table("", ["login", "tenant", "granted at", "by", "state", "sessions"], rows))


@logins.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="TENANT|LOGIN", help="A login, or a tenant for all of its logins.")],
    *,
    as_json: AsJson = False,
) -> None:
    """End the open sessions of a login, and drop it."""
    _, url = prepared()
    with connect(url, autocommit=True) as connection:
        revoked = bi.revoke(connection, name, actor=operator())
    if as_json:
        print_json([asdict(gone) for gone in revoked])
        return
    rows = [(gone.login, gone.tenant_id or "all (analyst)", gone.sessions_ended) for gone in revoked]
    out.print(table("Revoked", ["login", "tenant", "sessions ended"], rows))


def _connection_settings(chosen: Settings, url: WarehouseUrl, granted: bi.Granted) -> dict[str, str | int]:
    host, port = url.host, url.port
    sslmode = dict(url.parameters).get("sslmode", "prefer")
    if chosen.warehouse_url is None:
        listens = server_status(chosen).port
        host, sslmode = ("127.0.0.1" if listens else url.host), "disable"
    # as BI tools read it, so without what only our own connections need; a socket's folder is no host of an address
    place, query = ("localhost", {"host": host}) if host.startswith("/") else (f"[{host}]" if ":" in host else host, {})
    login = f"{granted.login}:{granted.password}"  # of letters that need no escape
    options = urlencode(query | {"sslmode": sslmode}, quote_via=quote)
    return {
        "host": host,
        "port": port,
        "database": url.database,
        "schema": "marts",
        "user": granted.login,
        "password": granted.password,
        "sslmode": sslmode,
        "url": f"postgresql://{login}@{place}:{port}/{quote(url.database, safe='')}?{options}",
    }


def _reaching_the_embedded_server(host: str) -> str:
    if host.startswith("/"):
        return (
            "The embedded server has no port (ANALYTICS_EMBEDDED_PORT=0): only tools of this machine's own user reach"
            " it, by the folder of its socket, and no password is asked there."
        )
    return (
        "The embedded server listens for this machine only, and while a command such as make ui runs: docs/bi.md says"
        " how a tool elsewhere reaches it."
    )


def _state(known: bi.BiLogin) -> str:
    if not known.open:
        return "gone: revoke it"
    return "sees nothing: suspended" if known.withdrawn else "open"
