{#
    Row-level security of a mart, as a post-hook: it runs in the transaction that swaps or restates the table, so there is
    no moment without it. Columns whose meta says `personal: true` are for the tenant's own readers, not for analysts.
    Where a table names persons, a reader's own conditions are answered for its own rows only, and the wall sees to it:
    PostgreSQL asks the cheapest condition first, also before a policy when it cannot fail, and a reader sees (by EXPLAIN, or
    by the time) whether a row has got past it. Looking into a jsonb costs the planner nothing, so nothing comes before the
    wall. It costs 0.1 microseconds a row, so that tables of figures do without it: docs/bi.md.
    EXPLAIN also tells what the planner knows about all tenants' rows, so of texts it knows how many there are, and not which
    (`statistics 1` keeps the smallest and the largest one, and none of those between).
    Citus has no policies with subqueries: there the function stands by itself, and no rule changes under a table that is
    distributed already.
    ALTER TABLE and CREATE POLICY lock out readers, so a table that carries the wanted rules is left alone: their
    checksum is kept as the comment of a policy.
#}
{% macro isolate_tenants() %}
    {%- set rules = isolation_rules() -%}
    {%- set checksum = local_md5(rules) -%}
    {%- if execute and isolation_checksum() != checksum -%}
        {%- if is_incremental() and is_sharded() -%}
            {% do exceptions.raise_compiler_error(
                'the rules of isolation changed, and Citus changes none of a distributed table: delete the line of '
                ~ this.identifier ~ ' from pipeline.built_models, and the next deployment makes it anew'
            ) %}
        {%- endif -%}
        {{ rules }}
        comment on policy tenants_read_their_own on {{ this }} is '{{ checksum }}'
        {%- if is_incremental() -%}; analyze {{ this }}{%- endif -%}  {#- what was known before is forgotten -#}
    {%- endif -%}
{% endmacro %}

{% macro isolation_rules() %}
    {%- set once = '' if execute and is_sharded() else 'select ' -%}  {#- asked once for a query, not for each row -#}
    {%- set wall = "(" ~ once ~ "jsonb_build_object(coalesce(tenancy.current_tenant(), ''), true))[tenant_id] is not null and " -%}
    {%- set public_columns = [] -%}
    {%- for column in model.columns.values() if not column.get('config', {}).get('meta', {}).get('personal') -%}
        {%- do public_columns.append(adapter.quote(column.name)) -%}
    {%- endfor -%}
    {%- set named = [] -%}
    {%- for column in model.columns.values() if column.data_type.split('(')[0] not in counted_types() -%}
        {%- do named.append('alter column ' ~ adapter.quote(column.name) ~ ' set statistics 1') -%}
    {%- endfor %}
    {% if named %}alter table {{ this }} {{ named | join(', ') }};{% endif %}
    alter table {{ this }} enable row level security;
    alter table {{ this }} force row level security;
    drop policy if exists owner_writes_all on {{ this }};
    create policy owner_writes_all on {{ this }} to {{ adapter.quote(target.user) }} using (true) with check (true);
    drop policy if exists analysts_read_all on {{ this }};
    create policy analysts_read_all on {{ this }} for select to analytics_analyst using (true);
    drop policy if exists tenants_read_their_own on {{ this }};
    create policy tenants_read_their_own on {{ this }} for select to analytics_tenants
        using (
            {{ wall if public_columns | length < model.columns | length }}tenant_id = ({{ once }}tenancy.current_tenant())
        );
    revoke all on {{ this }} from analytics_tenants, analytics_analyst;
    grant select on {{ this }} to analytics_tenants;
    grant select ({{ public_columns | join(', ') }}) on {{ this }} to analytics_analyst;
{% endmacro %}

{% macro counted_types() %}
    {{ return(['smallint', 'integer', 'bigint', 'numeric', 'double precision', 'boolean', 'date', 'timestamptz',
        'timestamp with time zone']) }}
{% endmacro %}

{% macro isolation_checksum() %}
    {% set answer = run_query(
        "select obj_description(pg_policy.oid, 'pg_policy')
        from pg_policy inner join pg_class on pg_class.oid = pg_policy.polrelid
        where pg_class.oid = '" ~ this.include(database=false) ~ "'::regclass
            and pg_class.relrowsecurity and pg_class.relforcerowsecurity
            and pg_policy.polname = 'tenants_read_their_own'"
    ) %}
    {{ return(answer.columns[0].values()[0] if answer.rows | length else none) }}
{% endmacro %}
