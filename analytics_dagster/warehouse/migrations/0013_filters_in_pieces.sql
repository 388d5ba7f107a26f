-- A filter of many events is too long for one value: it is copied several times on its way, and a value ends at 1 GB.
create table raw.known_filters (
    run_id bigint not null references raw.known_runs on delete cascade,
    piece integer not null,  -- of as many as the hashes have beginnings of that length
    bits bytea not null,
    primary key (run_id, piece)
);
alter table raw.known_filters alter column bits set storage external;  -- random bits do not compress
alter table raw.known_runs drop column filter;
delete from raw.known_runs;  -- the next load makes the memory anew
