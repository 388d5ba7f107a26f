-- Who says what a tenant is, how its status came about, and when it went beyond its limits.

alter table tenancy.tenants
    -- where its configuration is kept: in a file of tenants/, or in this table alone
    add column origin text not null default 'file' check (origin in ('file', 'command'));

-- Written with each change, in its transaction; nothing changes it or deletes from it.
create table tenancy.tenant_history (
    entry_id bigint generated always as identity primary key,
    tenant_id text not null references tenancy.tenants,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null check (
        action in ('added', 'changed', 'taken over', 'suspended', 'resumed', 'offboarded')
    ),
    reason text,
    before jsonb,  -- empty: there was no such tenant
    after jsonb not null
);
create index on tenancy.tenant_history (tenant_id, entry_id);

-- A withdrawn role is nobody's: current_tenant() knows it no more, so its readers see no row from this moment on.
-- The role itself belongs to the whole server, where a neighbouring database may still serve it.
alter table tenancy.bi_roles add column withdrawn_at timestamptz;
alter policy own_role on tenancy.bi_roles using (role_name = current_user and withdrawn_at is null);

-- Lines of a file that are longer than their tenant's limit for an event; they are accepted all the same.
alter table raw.accounts add column oversized bigint not null default 0 check (oversized >= 0);

-- Beyond a limit is marked, not dropped. The limit is the one that was in force when the day was last loaded.
create table tenancy.limit_breaches (
    tenant_id text not null references tenancy.tenants,
    load_day date not null,
    limit_name text not null check (limit_name in ('events_per_day', 'event_bytes')),
    limit_value bigint not null,
    observed bigint not null,  -- events received on that day; for event_bytes: how many of them were larger
    first_seen_at timestamptz not null default now(),
    primary key (tenant_id, load_day, limit_name)
);
