-- A filter of many events is too long for one value: it is copied several times on its way, and a value ends at 1 GB.
create table raw.known_filters (
    run_id bigint not null references raw.known_runs on delete cascade,
    piece integer not null,
    bits bytea not null,
    primary key (run_id, piece)
);
alter table raw.known_filters alter column bits set storage external;  -- random bits do not compress
insert into raw.known_filters (run_id, piece, bits)
select run_id, piece, substr(filter, piece * 1048576 + 1, 1048576)
from raw.known_runs cross join generate_series(0, (length(filter) - 1) / 1048576) as pieces (piece);
alter table raw.known_runs drop column filter;
