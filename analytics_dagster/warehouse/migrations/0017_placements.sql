-- Where a relation lies when the server has the extension citus: deploy/citus/README.md. Without it nothing here acts.

-- The one place that decides. A table that a migration makes gets its line in that migration.
create table pipeline.placements (
    relation text primary key,  -- schema.table, or schema.* for those of a schema that have no line of their own
    placement text not null check (placement in ('by tenant', 'reference', 'local')),
    because text not null
);
insert into pipeline.placements (relation, placement, because) values
('raw.events', 'by tenant', 'grows with the tenants'),
('intermediate.*', 'by tenant', 'made of events, in whose shards its rows are made'),
('marts.*', 'by tenant', 'made of events, in whose shards its rows are made'),
('ml.churn_scores', 'by tenant', 'a row for each user'),
('ml.lifetime_value_scores', 'by tenant', 'a row for each user'),
('pipeline.build_scope', 'by tenant', 'joined with events in each build'),
('pipeline.build_changes', 'by tenant', 'joined with marts in each build'),
('tenancy.tenants', 'reference', 'small; every build joins it, and others refer to it'),
('tenancy.bi_roles', 'reference', 'row-level security asks it on each node'),
('tenancy.custom_kpis', 'reference', 'small; builds join it'),
('tenancy.funnels', 'reference', 'no tenant''s; builds join it'),
('quality.holds', 'reference', 'small; staging joins it'),
('raw.batches', 'local', 'a line for each file; unique by content, whoever sent it'),
('raw.sightings', 'local', 'a line for each file'),
('raw.quarantine', 'local', 'some lines are of no known tenant; its key is a number for all'),
('raw.quarantine_history', 'local', 'refers to the quarantine'),
('raw.accounts', 'local', 'refers to the batches; some lines are of no known tenant'),
('raw.replays', 'local', 'a line for each replay'),
('raw.known_key', 'local', 'one line'),
('raw.known_runs', 'local', 'searched by the loader for all tenants together'),
('raw.known_pages', 'local', 'searched by the loader for all tenants together'),
('raw.known_filters', 'local', 'searched by the loader for all tenants together'),
('quality.results', 'local', 'a few lines for each load'),
('pipeline.placements', 'local', 'read where tables are made'),
('pipeline.built_models', 'local', 'a line for each model'),
('pipeline.built_loads', 'local', 'a line for each day'),
('pipeline.deployments', 'local', 'a line for each deployment'),
('tenancy.publications', 'local', 'a line for each tenant'),
('tenancy.tenant_history', 'local', 'small; its key is a number for all'),
('tenancy.write_keys', 'local', 'unique by the key, whoever has it'),
('tenancy.limit_breaches', 'local', 'small'),
('tenancy.bi_login_history', 'local', 'small; its key is a number for all'),
('ml.training_runs', 'local', 'a line for each training'),
('ml.scorings', 'local', 'a line for each tenant and model'),
('billing.*', 'local', 'a few lines for each tenant and month'),
('compliance.*', 'local', 'a few lines for each tenant and month'),
('platform.*', 'local', 'the migrations themselves'),
('dagster.*', 'local', 'Dagster''s own'),
('mlflow.*', 'local', 'MLflow''s own');

create function pipeline.is_sharded() returns boolean language sql stable
return exists (select from pg_extension where extname = 'citus');

-- Null: nobody has decided yet.
create function pipeline.placement_of(relation regclass) returns text language sql stable
return (
    select placements.placement
    from pipeline.placements
    inner join pg_class on pg_class.oid = placement_of.relation
    inner join pg_namespace on pg_namespace.oid = pg_class.relnamespace
    where placements.relation in (nspname || '.' || relname, nspname || '.*')
    order by placements.relation = nspname || '.*'  -- a line of its own is first
    limit 1
);

-- Places one table as decided and says how; null where there is nothing to do.
create function pipeline.distribute(relation regclass) returns text language plpgsql as $$
declare
    decided text := pipeline.placement_of(relation);
begin
    if not pipeline.is_sharded() or decided is null or decided = 'local' then
        return null;
    end if;
    -- a table of Citus's own: without the extension there is none to ask
    if exists (
        select from pg_dist_partition where logicalrelid = relation and (partmethod = 'h' or repmodel = 't')
    ) then
        return null;
    end if;
    if decided = 'reference' then
        perform create_reference_table(relation);
    else
        perform create_distributed_table(
            relation, 'tenant_id',
            colocate_with => case when relation = 'raw.events'::regclass then 'none' else 'raw.events' end
        );
    end if;
    return decided;
end
$$;

-- All that migrations made; what others refer to goes first. dbt's tables are made anew by the next deployment, because
-- the rules of their row-level security read otherwise in a sharded database.
create function pipeline.distribute_all() returns table (placed text) language plpgsql as $$
declare
    candidate record;
begin
    if not pipeline.is_sharded() then
        return;
    end if;
    for candidate in
        select oid::regprocedure as signature
        from pg_proc
        where oid in ('tenancy.current_tenant()'::regprocedure, 'pipeline.custom_kpi(jsonb, jsonb)'::regprocedure)
            and not exists (
                select from pg_dist_object where classid = 'pg_proc'::regclass and objid = pg_proc.oid
            )
    loop
        if candidate.signature = 'tenancy.current_tenant()'::regprocedure then
            -- row-level security asks it within a query of one shard, and it reads a reference table only
            alter function tenancy.current_tenant() set citus.allow_nested_distributed_execution to on;
        end if;
        perform create_distributed_function(candidate.signature);
        placed := candidate.signature || ': on every node';
        return next;
    end loop;
    for candidate in
        select pg_class.oid::regclass as relation
        from pipeline.placements
        inner join pg_namespace on nspname = split_part(placements.relation, '.', 1)
        inner join pg_class on relnamespace = pg_namespace.oid and relname = split_part(placements.relation, '.', 2)
        order by
            placements.placement = 'reference' desc,
            placements.relation = 'raw.events' desc,
            (select count(*) from pg_constraint where conrelid = pg_class.oid and contype = 'f'),
            placements.relation
    loop
        placed := candidate.relation || ': ' || pipeline.distribute(candidate.relation);
        if placed is not null then
            return next;
        end if;
    end loop;
    delete from pipeline.built_models
    using pg_class
    where pg_class.oid = to_regclass(format('%I.%I', schema_name, relation_name))
        and relkind = 'r'
        and not exists (select from pg_dist_partition where logicalrelid = pg_class.oid);
    if found then
        insert into pipeline.deployments (fingerprint, deployed_at) values ('', clock_timestamp());
        placed := 'the tables of dbt: by the next deployment';
        return next;
    end if;
end
$$;
