{#
    Row-level security of a mart, as a post-hook: it runs in the transaction that swaps or restates the table, so there is
    no moment without it. Columns whose meta says `personal: true` are for the tenant's own readers, not for analysts.
    ALTER TABLE and CREATE POLICY lock out readers, so a table that carries the wanted rules is left alone: their
    checksum is kept as the comment of a policy.
#}
{% macro isolate_tenants() %}
    {%- set rules = isolation_rules() -%}
    {%- set checksum = local_md5(rules) -%}
    {%- if execute and isolation_checksum() != checksum -%}
        {{ rules }}
        comment on policy tenants_read_their_own on {{ this }} is '{{ checksum }}'
    {%- endif -%}
{% endmacro %}

{% macro isolation_rules() %}
    {%- set public_columns = [] -%}
    {%- for column in model.columns.values() if not column.get('config', {}).get('meta', {}).get('personal') -%}
        {%- do public_columns.append(adapter.quote(column.name)) -%}
    {%- endfor -%}
    alter table {{ this }} enable row level security;
    alter table {{ this }} force row level security;
    drop policy if exists owner_writes_all on {{ this }};
    create policy owner_writes_all on {{ this }} to {{ adapter.quote(target.user) }} using (true) with check (true);
    drop policy if exists analysts_read_all on {{ this }};
    create policy analysts_read_all on {{ this }} for select to analytics_analyst using (true);
    drop policy if exists tenants_read_their_own on {{ this }};
    create policy tenants_read_their_own on {{ this }} for select to analytics_tenants
        using (tenant_id = (select tenancy.current_tenant()));
    revoke all on {{ this }} from analytics_tenants, analytics_analyst;
    grant select on {{ this }} to analytics_tenants;
    grant select ({{ public_columns | join(', ') }}) on {{ this }} to analytics_analyst;
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
