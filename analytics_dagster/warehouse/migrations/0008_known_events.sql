-- The memory of accepted ids, for finding repeats at any distance without an index over raw.events: keyed hashes in
-- sorted runs, a run for some loads. Runs of like size are merged, so there are few of them however long the history.
create table raw.known_key (
    only_row boolean primary key default true check (only_row),
    hash_key text not null check (length(hash_key) = 16)
);
insert into raw.known_key (hash_key) values (left(replace(gen_random_uuid()::text, '-', ''), 16));

create table raw.known_runs (
    run_id bigint generated always as identity primary key,
    hashes bigint not null check (hashes > 0),
    page_bits integer not null check (page_bits between 0 and 31),
    filter bytea not null  -- a Bloom filter over all of them
);
alter table raw.known_runs alter column filter set storage external;  -- random bits do not compress

-- A page holds the hashes that begin with its number, sorted, 8 bytes each.
create table raw.known_pages (
    run_id bigint not null references raw.known_runs on delete cascade,
    page integer not null,
    hashes bytea not null,
    primary key (run_id, page)
);
alter table raw.known_pages alter column hashes set storage external;
