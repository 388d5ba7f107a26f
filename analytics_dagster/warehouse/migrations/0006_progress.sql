-- Which loads the marts contain. A day is due again when a newer file of it was loaded, or a build crashed.
create table pipeline.built_loads (
    load_day date primary key,
    batch_id bigint not null,  -- the newest file of that day which the build saw
    built_at timestamptz not null default now()
);

-- What was deployed last: the fingerprint of the dbt manifest and the tenant files.
create table pipeline.deployments (
    fingerprint text not null,
    deployed_at timestamptz primary key default now()
);
