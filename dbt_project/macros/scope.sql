{#
    A daily run restates only what its events touched: pipeline.build_scope lists (tenant, local day) under the
    build's id, and each model says how far a touched day reaches, as
        scope = {'column': the day that its rows are restated by, 'from': -1, 'to': 1}
    A first build and a full refresh read everything. The build's id comes with the connection (PGOPTIONS), so that
    the compiled project is the same for every run.
#}

{# The (tenant_id, day)s that a model restates in this build. #}
{% macro restated_days(scope) %}
    select distinct
        build_scope.tenant_id,
        build_scope.day + reach.days as day
    from {{ source('pipeline', 'build_scope') }} as build_scope
    cross join generate_series({{ scope['from'] }}, {{ scope['to'] }}) as reach (days)
    where build_scope.build_id = current_setting('analytics.build_id', true)
{% endmacro %}

{#
    Served events of the days in scope. Each day becomes a range of instants, which the index of raw.events on
    (tenant_id, occurred_at) answers; it is three hours too wide on both sides, because a local day is no range
    where clocks change around midnight, and the day itself is compared again. `offset 0` keeps the planner
    from hashing the whole history of a tenant.
#}
{% macro events_in_scope(scope) %}
    {%- set tenants = ref('stg_tenants') -%}
    {%- if is_incremental() %}
    select events.*
    from (
        select
            restated.tenant_id,
            restated.day,
            (restated.day::timestamp at time zone tenants.time_zone) - interval '3 hours' as starts_at,
            ((restated.day + 1)::timestamp at time zone tenants.time_zone) + interval '3 hours'
            {%- if scope['column'] == 'activity_day' %} + interval '4 hours'{% endif %} as ends_at
        from ({{ restated_days(scope) }}) as restated
        inner join {{ tenants }} as tenants on restated.tenant_id = tenants.tenant_id
    ) as ranges
    cross join lateral (
        select *
        from {{ ref('stg_events') }} as stg_events
        where
            stg_events.tenant_id = ranges.tenant_id
            and stg_events.occurred_at >= ranges.starts_at
            and stg_events.occurred_at < ranges.ends_at
            and not stg_events.is_test
        offset 0
    ) as events
    where events.{{ scope['column'] }} = ranges.day
    {%- else %}
    select *
    from {{ ref('stg_events') }}
    where not is_test
    {%- endif %}
{% endmacro %}

{# Rows of another model for the days in scope, by their column of the same name. #}
{% macro rows_in_scope(relation, scope) %}
    {%- if is_incremental() %}
    select model.*
    from ({{ restated_days(scope) }}) as restated
    inner join {{ relation }} as model
        on restated.tenant_id = model.tenant_id and restated.day = model.{{ scope['column'] }}
    {%- else %}
    select *
    from {{ relation }}
    {%- endif %}
{% endmacro %}

{#
    The strategy: empty the whole scope, then fill it, so that rows whose source vanished (a hold, an erasure) go too.
    A model without a scope is small and restated as a whole.
#}
{% macro get_incremental_restate_scope_sql(arg_dict) %}
    {% set target_relation = arg_dict['target_relation'] %}
    {% set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}
    {% set scope = config.meta_get('scope') %}
    {% if scope and not build_id() %}
        {% do exceptions.raise_compiler_error(
            'this build has no id, so it has no scope: run it with `analytics-dagster`, or with --full-refresh'
        ) %}
    {% endif %}

    delete from {{ target_relation }} as target
    {%- if scope %}
    using ({{ restated_days(scope) }}) as restated
    where target.tenant_id = restated.tenant_id and target.{{ scope['column'] }} = restated.day
    {%- endif %};

    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
{% endmacro %}

{% macro build_id() %}
    {% set answer = run_query("select coalesce(current_setting('analytics.build_id', true), '')") %}
    {{ return(answer.columns[0].values()[0]) }}
{% endmacro %}

{# As a pre-hook, before the rows are computed: two overlapping runs would otherwise write what they read too early. #}
{% macro lock_relation() -%}
    select pg_advisory_xact_lock(hashtext('analytics restates'), hashtext('{{ this.schema }}.{{ this.identifier }}'))
{%- endmacro %}

{# A table that was just made has no statistics, and the next model of the same run is planned with them. #}
{% macro analyze_new_table() -%}
    {% if not is_incremental() %}analyze {{ this }}{% endif %}
{%- endmacro %}

{# For data tests: a daily run proves the days that it restated, any other run proves all of them. #}
{% macro only_proven_days(reach=1) -%}
    {%- if execute and not should_full_refresh() and build_id() %}
    where (tenant_id, day) in (
        select
            restated.tenant_id,
            restated.day
        from ({{ restated_days({'from': -reach, 'to': reach}) }}) as restated
    )
    {%- endif %}
{%- endmacro %}
