-- The verdicts of the gate, the tenants it holds back, and the scope of the build that follows it.
create schema quality;

create table quality.results (
    load_day date not null,
    tenant_id text not null,
    expectation text not null,
    severity text not null check (severity in ('critical', 'warning', 'info')),
    observed double precision,  -- empty: there was nothing to observe
    expected text not null,
    passed boolean not null,
    primary key (load_day, tenant_id, expectation)
);

-- A held load of a tenant stays out of staging, and so out of every mart, until it is released.
create table quality.holds (
    load_day date not null,
    tenant_id text not null,
    reasons jsonb not null,
    held_at timestamptz not null default now(),
    primary key (load_day, tenant_id)
);

create schema pipeline;

-- The (tenant, day)s that a dbt build restates. dbt finds its own by the setting analytics.build_id.
create table pipeline.build_scope (
    build_id text not null,
    tenant_id text not null,
    day date not null,
    primary key (build_id, tenant_id, day)
);

-- The version of the code that made each relation: a model that changed is rebuilt whole on the next deploy.
create table pipeline.built_models (
    schema_name name not null,
    relation_name name not null,
    fingerprint text not null,
    built_at timestamptz not null default now(),
    primary key (schema_name, relation_name)
);

-- The layers that dbt fills.
create schema staging;
create schema intermediate;
create schema marts;
grant usage on schema marts to analytics_tenants, analytics_analyst;
