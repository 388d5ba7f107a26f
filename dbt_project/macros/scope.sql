{#
    A daily run restates only what its events touched: pipeline.build_scope lists (tenant, local day) under the
    build's id, and each model says in its meta what it restates:
        scope = {'column': 'day', 'from': -1, 'to': 1}              the touched days, and how far each reaches
        scope = {'column': 'week', 'grain': 'week', 'from': 0, ..}  the weeks (or months) of those days
        scope = {'column': 'day', 'days_of': 'int_x'}               the days whose rows that model changed
        scope = {'users_of': ['fct_user_days']}                     the users whose rows these models changed, wholly
        scope = {'keys_of': ['int_x'], 'key': 'content_id'}         the same of another key than user_id
    `grain` may stand with `days_of`, too. Days and users may stand together, and so may several scopes in a list: rows
    of any are restated. A model that others follow says what it tells:
        tells = {'key': 'user_id', 'of': ['first_day']}             the key of each row that is new, gone or other
    in those columns (without `of`: in any), and nothing of nobody's rows. pipeline.build_changes has it until a build ends
    well, so that no failed one leaves stale rows behind.
    A first build and a full refresh read everything. The build's id comes by the environment (BUILD_ID), so that the
    parsed project is the same for every run.
#}

{# The (tenant_id, day)s that a model restates in this build; of weeks and months, the first day. #}
{% macro restated_days(scope) %}
    {%- if scope.get('days_of') %}
    select distinct
        tenant_id,
        {% if scope.get('grain') -%}
        date_trunc('{{ scope['grain'] }}', key::timestamp)::date as day
        {%- else -%}
        key::date as day
        {%- endif %}
    from ({{ changes_told_by(scope['days_of']) }}) as told
    {%- else %}
    select distinct
        build_scope.tenant_id,
        {% if scope.get('grain') -%}
        date_trunc('{{ scope['grain'] }}', (build_scope.day + reach.days)::timestamp)::date as day
        {%- else -%}
        build_scope.day + reach.days as day
        {%- endif %}
    from {{ source('pipeline', 'build_scope') }} as build_scope
    cross join generate_series({{ scope['from'] }}, {{ scope['to'] }}) as reach (days)
    where build_scope.build_id = '{{ build_id() if execute else '' }}'
    {%- endif %}
{% endmacro %}

{# The (tenant_id, user_id)s, or ids of another key, that a model restates in this build, with all of their rows. #}
{% macro restated_users(scope) %}
    select distinct
        tenant_id,
        key as {{ scope.get('key', 'user_id') }}
    from ({{ changes_told_by(scope.get('keys_of') or scope['users_of']) }}) as told
{% endmacro %}

{% macro changes_told_by(models) %}
        select
            tenant_id,
            key
        from {{ source('pipeline', 'build_changes') }}
        where relation in ('{{ ([models] if models is string else models) | join("', '") }}')
{%- endmacro %}

{#
    Served events of the days in scope; `names`: only those of these names, `with_tests`: test traffic, too. Each day
    becomes a range of instants, which the index of raw.events on (tenant_id, occurred_at) answers; it is three hours
    too wide on both sides, because a local day is no range where clocks change around midnight, and the day itself is
    compared again.
#}
{% macro events_in_scope(scope, names=none, with_tests=false) %}
    {%- set named -%}
    {%- if names %} and event_name in ('{{ names | join("', '") }}'){% endif -%}
    {%- endset -%}
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
            {%- if not with_tests %}
            and not stg_events.is_test
            {%- endif %}
            {{- named }}
        {{ planner_fence() }}
    ) as events
    where events.{{ scope['column'] }} = ranges.day
    {%- else %}
    select *
    from {{ ref('stg_events') }}
    where {{ 'true' if with_tests else 'not is_test' }}{{ named }}
    {%- endif %}
{% endmacro %}

{# Rows of another model for what is in scope, by its columns of the same names; `user`: if its users stand in another. #}
{% macro rows_in_scope(relation, scope, user=none) %}
    {%- if is_incremental() %}
    {%- for part in ([scope] if scope is mapping else scope) %}
    {{ 'union' if not loop.first }}
    {%- if part.get('column') %}
    select model.*
    from ({{ restated_days(part) }}) as restated
    inner join {{ relation }} as model
        on restated.tenant_id = model.tenant_id and restated.day = model.{{ part['column'] }}
    {%- endif %}
    {%- set keys_of, key = part.get('keys_of') or part.get('users_of'), part.get('key', 'user_id') %}
    {%- if part.get('column') and keys_of %}
    union
    {%- endif %}
    {%- if keys_of %}
    select model.*
    from ({{ restated_users(part) }}) as restated
    inner join {{ relation }} as model
        on restated.tenant_id = model.tenant_id and restated.{{ key }} = model.{{ user or key }}
    {%- endif %}
    {%- endfor %}
    {%- else %}
    select *
    from {{ relation }}
    {%- endif %}
{% endmacro %}

{# Rows of another model by its days, of the months in scope. #}
{% macro rows_of_months(relation, scope) %}
    {%- if is_incremental() %}
    select model.*
    from ({{ restated_days(scope) }}) as restated
    inner join {{ relation }} as model
        on
            restated.tenant_id = model.tenant_id
            and model.day >= restated.day
            and model.day < (restated.day + interval '1 month')::date
    {%- else %}
    select *
    from {{ relation }}
    {%- endif %}
{% endmacro %}

{#
    The strategy: within the scope, delete what is other or gone (a hold, an erasure) and insert what is other or new.
    Most of what a scope holds is as it was, and each row that is written costs a page of every index.
    A model without a scope is small and compared as a whole; one without a primary key is emptied and filled.
#}
{% macro get_incremental_restate_scope_sql(arg_dict) %}
    {% set target = arg_dict['target_relation'] %}
    {% set new = arg_dict['temp_relation'] %}
    {% set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}
    {% set scope = config.meta_get('scope') %}
    {% set tells = config.meta_get('tells') %}
    {% set key = primary_key() %}
    {% if scope and not build_id() %}
        {% do exceptions.raise_compiler_error(
            'this build has no id, so it has no scope: run it with `analytics-dagster`, or with --full-refresh'
        ) %}
    {% endif %}
    {% set parts = [] %}
    {% for part in ([scope] if scope is mapping else scope or []) %}
        {% if part.get('column') %}
            {% do parts.append((restated_days(part), 'target.' ~ part['column'] ~ ' = restated.day')) %}
        {% endif %}
        {% if part.get('keys_of') or part.get('users_of') %}
            {% set column = part.get('key', 'user_id') %}
            {% do parts.append((restated_users(part), 'target.' ~ column ~ ' = restated.' ~ column)) %}
        {% endif %}
    {% endfor %}

    {% if key or tells %}
    create temporary table rows_before on commit drop as
        {%- for restated, matching in parts %}
        select target.*
        from {{ target }} as target
        inner join ({{ restated }}) as restated on target.tenant_id = restated.tenant_id and {{ matching }}
        {{ 'union' if not loop.last }}
        {%- else %}
        select * from {{ target }}
        {%- endfor %};

    create temporary table rows_changed on commit drop as
        select true as is_gone, gone.*
        from (select {{ columns }} from rows_before except select {{ columns }} from {{ new }}) as gone
        union all
        select false, come.*
        from (select {{ columns }} from {{ new }} except select {{ columns }} from rows_before) as come;
    analyze rows_changed;
    {% endif %}

    {% if tells %}
    {% set told = get_quoted_csv(['tenant_id', tells['key']] + tells['of']) if tells.get('of') else columns %}
    insert into {{ source('pipeline', 'build_changes') }} (relation, tenant_id, key)
    select distinct
        '{{ target.identifier }}',
        tenant_id,
        {{ tells['key'] }}::text
    from (
        (select {{ told }} from rows_changed where is_gone except select {{ told }} from rows_changed where not is_gone)
        union all
        (select {{ told }} from rows_changed where not is_gone except select {{ told }} from rows_changed where is_gone)
    ) as changed
    where {{ tells['key'] }} is not null
    on conflict do nothing;
    analyze {{ source('pipeline', 'build_changes') }};
    {% endif %}

    {% if key %}
    delete from {{ target }} as target
    using rows_changed
    where
        rows_changed.is_gone
        {%- for column in key %}
        and target.{{ column }} = rows_changed.{{ column }}
        {%- endfor %};

    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from rows_changed
    where not is_gone
    order by {{ get_quoted_csv(key) }}
    {% else %}
    {%- for restated, matching in parts %}
    delete from {{ target }} as target
    using ({{ restated }}) as restated
    where target.tenant_id = restated.tenant_id and {{ matching }};
    {%- else %}
    delete from {{ target }};
    {%- endfor %}

    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from {{ new }}
    {% endif %}
{% endmacro %}

{# In the model's contract; none if it has none. #}
{% macro primary_key() %}
    {% set found = model.constraints | selectattr('type', 'equalto', 'primary_key') | map(attribute='columns') | list %}
    {{ return(found[0] if found else none) }}
{% endmacro %}

{% macro build_id() %}
    {{ return(env_var('BUILD_ID', '')) }}
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
