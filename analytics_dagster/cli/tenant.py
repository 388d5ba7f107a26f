"""`tenant`: the tenants of the registry, from their adding to their leaving."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from analytics_dagster.cli import tenant_views as views
from analytics_dagster.cli.console import errors, operator, out, plain, print_json
from analytics_dagster.cli.preparation import prepared
from analytics_dagster.schemas import TenantConfiguration, TenantKind, TenantTier
from analytics_dagster.tenancy import Status, moving, offboarding
from analytics_dagster.tenancy import profile as profiles
from analytics_dagster.tenancy.files import configured, from_words, read_tenant_file
from analytics_dagster.warehouse import WarehouseUrl, connect

tenants = typer.Typer(help="The tenants: add, show, change, suspend, offboard.", no_args_is_help=True)


def _text(words: str | None) -> str | None:
    """PostgreSQL keeps text: bytes that are none, from a script in another encoding, are refused here."""
    try:
        (words or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("this is not UTF-8") from None
    return words


Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.", callback=_text)]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the tenant's history.", callback=_text)]


def register(app: typer.Typer) -> None:
    app.add_typer(tenants, name="tenant")


@tenants.command()
def add(
    tenant: Annotated[str | None, typer.Argument(metavar="[TENANT]", help="The new tenant's id.")] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="A YAML file with all of it, instead of the options.")] = None,
    name: Annotated[str | None, typer.Option(help="Its display name.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"One of {', '.join(TenantKind)}.")] = None,
    tier: Annotated[str | None, typer.Option(help=f"One of {', '.join(TenantTier)}.")] = None,
    region: Annotated[str | None, typer.Option(help="Where its data lives, such as eu-central.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="An IANA name: decides where a day ends.")] = None,
    currency: Annotated[str | None, typer.Option(help="Such as EUR.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan that it is billed by.")] = None,
    more: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Any other field; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register a tenant that no file declares: with its database role, and its partition in Dagster."""
    from analytics_dagster.registration import add_tenant

    words = {"name": name, "kind": kind, "tier": tier, "region": region, "time_zone": time_zone}
    words |= {"currency": currency, "plan": plan}
    given = {field: text for field, text in words.items() if text is not None} | _pairs(more or [])
    if file and (tenant or given):
        raise typer.BadParameter("a file says everything: leave the id and the other options out", param_hint="--file")
    if not file and not tenant:
        raise typer.BadParameter("name the tenant, or give --file", param_hint="TENANT")
    new = (
        read_tenant_file(file)
        if file
        else configured(from_words({**given, "tenant_id": tenant or ""}), where=f"tenant {tenant}")
    )
    chosen, url = prepared()
    with connect(url) as connection:
        add_tenant(connection, new, tenants_dir=chosen.tenants_dir, actor=operator())
    _follow(url)
    _tell(url, new.tenant_id, as_json=as_json)


@tenants.command("list")
def list_(
    *,
    status: Annotated[Status | None, typer.Option(help="Only those of this status.")] = None,
    tier: Annotated[TenantTier | None, typer.Option(help="Only those of this tier.")] = None,
    kind: Annotated[TenantKind | None, typer.Option(help="Only those of this kind.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every tenant that was ever registered."""
    _, url = prepared()
    with connect(url) as connection:
        found = profiles.listed(connection, status=status, tier=tier, kind=kind)
    if as_json:
        print_json([vars(tenant) for tenant in found])
    else:
        out.print(views.tenants(found))


@tenants.command()
def show(tenant: Tenant, *, as_json: AsJson = False) -> None:
    """Show a tenant: configuration, limits and use, what is served to whom, and its history."""
    _, url = prepared()
    _tell(url, tenant, as_json=as_json)


@tenants.command("set")
def set_(
    tenant: Tenant,
    fields: Annotated[list[str], typer.Argument(metavar="FIELD=VALUE...", help="Lists with commas.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Change fields of a tenant that no file declares."""
    from analytics_dagster.registration import change_tenant

    words = from_words(_pairs(fields))
    _, url = prepared()
    with connect(url) as connection:
        changes = change_tenant(connection, tenant, words, actor=operator())
    if as_json:
        print_json([vars(change) | {"changes_the_past": change.changes_the_past} for change in changes])
    else:
        out.print(views.changes(tenant, changes))
    past = [change.field for change in changes if change.changes_the_past]
    if past:
        errors.print(
            f"{', '.join(past)} changes what past days mean: until all marts are built anew, days of both meanings"
            " stand side by side. The next run does it, or now: analytics-dagster prepare",
            style="yellow",
            soft_wrap=True,
        )


@tenants.command()
def suspend(tenant: Tenant, *, reason: Reason = None, as_json: AsJson = False) -> None:
    """Refuse its keys, hide everything from its readers, make nothing for it. What lands is still taken in."""
    _, url = prepared()
    with connect(url) as connection:
        moving.suspend(connection, tenant, actor=operator(), reason=reason)
    _tell(url, tenant, as_json=as_json)
    errors.print("Running collectors refuse its keys within ANALYTICS_COLLECTOR_REFRESH_SECONDS.")


@tenants.command()
def resume(tenant: Tenant, *, reason: Reason = None, as_json: AsJson = False) -> None:
    """Let a suspended tenant go on; what was missed meanwhile is due."""
    _, url = prepared()
    with connect(url) as connection:
        moving.resume(connection, tenant, actor=operator(), reason=reason)
    _tell(url, tenant, as_json=as_json)
    errors.print("Its publication, scores and reports are due: analytics-dagster run makes them.")


@tenants.command()
def offboard(
    tenant: Tenant,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. It cannot be taken back.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do, as without --yes.")] = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """End a tenant for ever: keys, role, partition and all further work. Without --yes it only says what there is."""
    if yes and dry_run:
        raise typer.BadParameter("--yes and --dry-run exclude each other")
    if yes and not (reason and reason.strip()):
        raise typer.BadParameter("say why: it is kept for ever", param_hint="--reason")
    from analytics_dagster.registration import offboard_tenant

    chosen, url = prepared()
    with connect(url) as connection:
        before = offboarding.scope(connection, tenant)
        if yes and reason:
            offboard_tenant(connection, tenant, tenants_dir=chosen.tenants_dir, actor=operator(), reason=reason.strip())
    if not yes:
        if as_json:
            print_json({"done": False, **before.as_json()})
        else:
            out.print(views.planned(before, file=chosen.tenants_dir / f"{tenant}.yaml"))
        return
    partitions = _follow(url)
    with connect(url) as connection:
        left = offboarding.scope(connection, tenant)
    has_partition = tenant in partitions
    if as_json:
        print_json({"done": True, "partition": has_partition, **left.as_json()})
    else:
        out.print(views.left(left, has_partition=has_partition))
    if has_partition or not left.is_cut_off:
        errors.print("Something of its access is still there, as shown: take it away by hand.", style="red")
        raise typer.Exit(1)


def _tell(url: WarehouseUrl, tenant_id: str, *, as_json: bool) -> None:
    with connect(url) as connection:
        found = profiles.profile(connection, tenant_id)
    if as_json:
        print_json(found.as_json())
    else:
        out.print(views.profile(found))


def _follow(url: WarehouseUrl) -> Sequence[str]:
    """Dagster's partitions after the registry has changed; its libraries take two seconds to load."""
    from analytics_dagster.defs.tenant_partitions import tenant_keys_here

    with errors.status("Telling Dagster"):
        return tenant_keys_here(url)


def _pairs(words: list[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        field, equals, text = word.partition("=")
        field = field.replace("-", "_")
        if not equals or field not in TenantConfiguration.model_fields:
            known = ", ".join(TenantConfiguration.model_fields)
            raise typer.BadParameter(f"{plain(word)!r} is not FIELD=VALUE with one of {known}")
        pairs[field] = text
    return pairs
