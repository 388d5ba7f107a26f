-- Only what the migrations and dbt ask of Citus. Data stay where they are; the refusals are those of Citus, which
-- checks them before it moves anything.
set local allow_system_table_mods to on;

create table pg_catalog.pg_dist_partition (
    logicalrelid regclass primary key,
    partmethod "char" not null,
    repmodel "char" not null,
    colocated_with regclass
);
create table pg_catalog.pg_dist_object (classid oid, objid oid, primary key (classid, objid));
grant select on pg_catalog.pg_dist_partition, pg_catalog.pg_dist_object to public;

create function pg_catalog.refuse_policies_with_subqueries(relation regclass) returns void language plpgsql as $$
begin
    if exists (
        select from pg_policy where polrelid = relation and polqual::text || coalesce(polwithcheck::text, '') ~ 'SUBLINK'
    ) then
        raise feature_not_supported using message = 'cannot create policy',
            detail = 'Subqueries are not supported in policies on distributed tables';
    end if;
end
$$;

create function pg_catalog.create_reference_table(table_name regclass) returns void
language plpgsql security definer as $$
begin
    perform pg_catalog.refuse_policies_with_subqueries(table_name);
    if exists (
        select from pg_constraint
        where conrelid = table_name and contype = 'f'
            and not exists (select from pg_dist_partition where logicalrelid = confrelid and repmodel = 't')
    ) then
        raise feature_not_supported using message = format('%s refers to a table that is no reference table', table_name);
    end if;
    insert into pg_dist_partition values (table_name, 'n', 't', null);
end
$$;

create function pg_catalog.create_distributed_table(
    table_name regclass, distribution_column text, colocate_with text default 'default'
) returns void language plpgsql security definer as $$
declare
    key smallint := (select attnum from pg_attribute where attrelid = table_name and attname = distribution_column);
begin
    perform pg_catalog.refuse_policies_with_subqueries(table_name);
    if key is null then
        raise undefined_column using message = format('%s has no column %s', table_name, distribution_column);
    end if;
    if colocate_with not in ('default', 'none') and not exists (
        select from pg_dist_partition where logicalrelid = colocate_with::regclass and partmethod = 'h'
    ) then
        raise feature_not_supported using message = format('relation %s is not distributed', colocate_with);
    end if;
    if exists (
        select from pg_index where indrelid = table_name and indisunique and not key = any(indkey::smallint[])
    ) then
        raise feature_not_supported using message = format('cannot create constraint on "%s"', table_name),
            detail = 'Distributed relations cannot have UNIQUE, EXCLUDE, or PRIMARY KEY constraints that do not include '
            'the partition column';
    end if;
    if exists (
        select from pg_constraint
        where contype = 'f' and (
            confrelid = table_name
            or conrelid = table_name
            and not exists (select from pg_dist_partition where logicalrelid = confrelid and repmodel = 't')
        )
    ) then
        raise feature_not_supported using message = 'cannot create foreign key constraint';
    end if;
    if exists (select from pg_trigger where tgrelid = table_name and not tgisinternal) then
        raise feature_not_supported using message = format('cannot distribute relation "%s" because it has triggers', table_name);
    end if;
    if exists (
        select from pg_attribute where attrelid = table_name and attidentity <> '' and atttypid <> 'bigint'::regtype
    ) then
        raise feature_not_supported using message = 'cannot complete operation on a table with smallint/int identity column';
    end if;
    insert into pg_dist_partition values (
        table_name, 'h', 's', case when colocate_with not in ('default', 'none') then colocate_with::regclass end
    );
end
$$;

create function pg_catalog.create_distributed_function(function_name regprocedure) returns void
language sql security definer
begin atomic
    insert into pg_dist_object values ('pg_proc'::regclass, function_name);
end;

-- a setting of Citus that every user may set
grant set on parameter citus.allow_nested_distributed_execution to public;
