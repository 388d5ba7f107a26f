-- The events as they came, what was refused and why, and the books that prove nothing is missing.
create schema raw;

-- One line for each file ever read, known by its content: renamed and repeated files are recognised.
create table raw.batches (
    batch_id bigint generated always as identity primary key,
    load_day date not null,
    path text not null,
    content_sha256 text not null unique,
    bytes bigint not null,
    problem text,  -- why the file could not be read to its end
    loaded_at timestamptz not null default now()
);
create index on raw.batches (load_day);

-- Where each content was met. A renamed copy is no new batch, but it must not wait for a load for ever.
create table raw.sightings (
    load_day date not null,
    path text not null,
    content_sha256 text not null,
    first_seen_at timestamptz not null default now(),
    primary key (load_day, path)
);

-- No unique index: it costs two thirds of the loading speed. Duplicates are removed set-based.
create table raw.events (
    tenant_id text not null,
    event_id text not null,
    event_type text not null,
    event_name text not null,
    source text not null,
    occurred_at timestamptz not null,
    user_id text,
    anonymous_id text,
    is_test boolean not null,
    properties jsonb not null,
    load_day date not null,
    batch_id bigint not null,
    line_number bigint not null
);
create index events_by_load on raw.events (load_day, tenant_id);
create index events_by_time on raw.events (tenant_id, occurred_at);

create table raw.quarantine (
    entry_id bigint generated always as identity primary key,
    batch_id bigint not null references raw.batches,
    load_day date not null,
    tenant_id text,  -- as far as it is known
    line_number bigint,  -- empty when the file as a whole is refused
    original bytea not null,
    reasons jsonb not null check (jsonb_array_length(reasons) > 0),  -- [{field, rule, value, expected}]
    quarantined_at timestamptz not null default now()
);
create index on raw.quarantine (load_day, tenant_id);

create table raw.accounts (
    batch_id bigint not null references raw.batches,
    tenant_id text not null,  -- '(unknown)' where a line names no registered tenant
    load_day date not null,
    received bigint not null,
    accepted bigint not null,
    duplicate bigint not null,
    quarantined bigint not null,
    primary key (batch_id, tenant_id),
    check (received = accepted + duplicate + quarantined)
);
create index on raw.accounts (load_day, tenant_id);
