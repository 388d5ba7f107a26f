-- Who the tenants are, and which database role belongs to which of them.
create schema tenancy;

-- Roles belong to the whole server, so another database of it may have made them already.
do $$
begin
    if not exists (select from pg_roles where rolname = 'analytics_analyst') then
        create role analytics_analyst nologin;  -- all tenants, no personal columns
    end if;
    if not exists (select from pg_roles where rolname = 'analytics_tenants') then
        create role analytics_tenants nologin;  -- what every tenant's role may reach
    end if;
exception when duplicate_object or unique_violation then
    null;  -- made by a neighbour at the same moment
end
$$;

create table tenancy.tenants (
    tenant_id text primary key check (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
    name text not null,
    kind text not null check (kind in ('music', 'shop', 'saas', 'content')),
    tier text not null check (tier in ('free', 'standard', 'enterprise')),
    status text not null default 'active' check (status in ('active', 'suspended', 'offboarded')),
    time_zone text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    plan text not null,
    region text not null,
    configuration jsonb not null,
    registered_at timestamptz not null default now()
);

-- A login of a tenant is recognised by its role name; the name of the role cannot be SET by its user.
create table tenancy.bi_roles (
    role_name name primary key,
    tenant_id text not null references tenancy.tenants
);
alter table tenancy.bi_roles enable row level security;
create policy own_role on tenancy.bi_roles for select to analytics_tenants using (role_name = current_user);

-- Security invoker on purpose: it sees what the asking role sees, its own line and no other.
create function tenancy.current_tenant() returns text language sql stable parallel safe
return (select tenant_id from tenancy.bi_roles where role_name = current_user);

grant usage on schema tenancy to analytics_tenants, analytics_analyst;
grant select on tenancy.bi_roles to analytics_tenants;

-- What each tenant's readers are served: as of which day, and the proof that it is theirs alone.
create table tenancy.publications (
    tenant_id text primary key references tenancy.tenants,
    as_of date,
    row_counts jsonb not null,
    foreign_rows bigint not null check (foreign_rows = 0),
    published_at timestamptz not null default now()
);
