-- The gate's memory: what each load is like, every verdict of every judgement, who is held and who was let go, and up to
-- which load each tenant's marts stand.

create table quality.judgements (
    judgement_id bigint generated always as identity primary key,
    run_id text not null,  -- of Dagster; or what a person did
    stage text not null check (stage in ('loads', 'marts')),
    judged_at timestamptz not null default clock_timestamp()
);

alter table quality.results
    add column judgement_id bigint references quality.judgements,
    add column suite text not null default 'raw_events',
    add column note text not null default '',  -- what a reader must know, such as that there is no history yet
    add column sample jsonb not null default '[]';  -- ids of a few events that fail, never their values
insert into quality.judgements (run_id, stage)
select 'before judgements were kept', 'loads' where exists (select from quality.results);
update quality.results set judgement_id = (select max(judgement_id) from quality.judgements);
alter table quality.results
    alter column judgement_id set not null,
    alter column suite drop default,
    drop constraint results_pkey,
    add primary key (tenant_id, load_day, suite, expectation, judgement_id);
create index on quality.results (judgement_id);
create index on quality.results (load_day, suite, expectation) where not passed;  -- what failed of late

-- The newest state of each judged load, and the measures that later loads are compared with.
create table quality.loads (
    tenant_id text not null,
    load_day date not null,
    content text not null,  -- tells whether the load changed since it was judged
    measures jsonb not null,
    state text not null check (state in ('passed', 'flagged', 'held', 'released')),
    judgement_id bigint not null references quality.judgements,
    primary key (tenant_id, load_day)
);

-- 100: everything passed.
create table quality.scores (
    tenant_id text not null,
    load_day date not null,
    score numeric(5, 2) not null check (score between 0 and 100),
    judged integer not null,
    failed_critical integer not null,
    failed_warning integer not null,
    state text not null,  -- as in quality.loads
    primary key (tenant_id, load_day)
);

-- Each stage ends its own holds: a load that passes was passed before, too, when its marts were what failed.
alter table quality.holds
    add column stage text not null default 'loads' check (stage in ('loads', 'marts'));

-- Holds that ended: the data was repaired and passes, or a person took it on. A person's release stands for this content.
create table quality.releases (
    release_id bigint generated always as identity primary key,
    tenant_id text not null,
    load_day date not null,
    content text,  -- empty: the load had not been judged
    reasons jsonb not null,  -- why it was held
    held_at timestamptz not null,
    released_at timestamptz not null default clock_timestamp(),
    how text not null check (how in ('passed', 'person')),
    actor text,
    reason text,
    check ((how = 'person') = (actor is not null and reason is not null))
);
create index on quality.releases (tenant_id, load_day);

-- A held tenant stands still: its marts contain its loads before the front, the first held one. dbt reads fronts and
-- not holds, so that a hold which comes while a build goes on waits for the next one.
create table pipeline.fronts (
    tenant_id text primary key,
    front date not null
);

-- A front that moved, until a build that restated the loads from this day on ended well.
create table pipeline.front_moves (
    tenant_id text primary key,
    from_day date not null,
    build_id text not null  -- the last build that took it into its scope
);

-- Who is held now is held from the first held load on; the loads behind it have to leave the marts.
insert into pipeline.fronts (tenant_id, front)
select tenant_id, min(load_day) from quality.holds group by tenant_id;
insert into pipeline.front_moves (tenant_id, from_day, build_id)
select tenant_id, front, '' from pipeline.fronts;

-- A scope outside dbt tells what it changed, too, and a build forgets only what was told before it began.
alter table pipeline.build_changes add column told_at timestamptz not null default clock_timestamp();

-- Whether somebody to whom money went back had ever paid is asked of all history. Few events are payments, so that it
-- costs the loader little.
create index events_of_payers on raw.events (tenant_id, (coalesce(user_id, anonymous_id)))
where event_name = 'payment_succeeded' and not is_test;

insert into pipeline.placements (relation, placement, because) values
('quality.judgements', 'local', 'a line for each run'),
('quality.loads', 'local', 'a line for each load'),
('quality.scores', 'local', 'a line for each load'),
('quality.releases', 'local', 'small; its key is a number for all'),
('pipeline.fronts', 'reference', 'small; staging joins it'),
('pipeline.front_moves', 'reference', 'small; a move is made in the transaction of the fronts');
