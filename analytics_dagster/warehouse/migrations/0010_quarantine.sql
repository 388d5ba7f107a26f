-- The life of a quarantined line: replayed or discarded, with its history; and which loading days a replay changed.
alter table raw.quarantine
    add column status text not null default 'open' check (status in ('open', 'replayed', 'discarded')),
    -- the same bytes met again are told by it; an entry about a whole file has only the rest of it
    add column original_sha256 bytea
        generated always as (case when line_number is not null then sha256(original) end) stored;
create index on raw.quarantine (original_sha256);

create table raw.quarantine_history (
    history_id bigint generated always as identity primary key,
    entry_id bigint not null references raw.quarantine on delete cascade,
    recorded_at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null check (action in ('replay', 'discard')),
    detail jsonb not null,  -- replay: the outcome, the reasons before it; discard: why
    original_before bytea  -- empty: the line was not edited
);
create index on raw.quarantine_history (entry_id);

-- A replay changes the books of a loading day that may be built already, so the day is due again.
create table raw.replays (
    replay_id bigint generated always as identity primary key,
    load_day date not null,
    accepted bigint not null,
    duplicate bigint not null,
    actor text not null,
    replayed_at timestamptz not null default now()
);
create index on raw.replays (load_day);

alter table pipeline.built_loads
    add column replay_id bigint not null default 0;  -- the newest replay of that day which the build saw
