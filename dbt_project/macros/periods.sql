{#
    Days, weeks (from Monday) and months (from the 1st) in one table: a period is named by its granularity and first day.
    One date can begin a day, a week and a month; a model in whose scope it stands restates all that begin with it.
#}

{% macro period_of(granularity, day) -%}
    date_trunc({{ granularity }}, {{ day }}::timestamp)::date
{%- endmacro %}

{% macro period_after(granularity, period) -%}
    ({{ period }} + ('1 ' || {{ granularity }})::interval)::date
{%- endmacro %}

{% macro period_before(granularity, period) -%}
    ({{ period }} - ('1 ' || {{ granularity }})::interval)::date
{%- endmacro %}

{# How many periods after the first one the last one is, both given by any day of theirs. #}
{% macro periods_between(granularity, first, last) -%}
    case {{ granularity }}
        when 'day' then {{ last }} - {{ first }}
        when 'week' then ({{ period_of("'week'", last) }} - {{ period_of("'week'", first) }}) / 7
        else
            (extract(year from {{ last }}) - extract(year from {{ first }})) * 12
            + extract(month from {{ last }}) - extract(month from {{ first }})
    end::integer
{%- endmacro %}

{# How far a cohort is followed. #}
{% macro followed_periods(granularity) -%}
    case {{ granularity }} when 'day' then 30 when 'week' then 52 else 24 end
{%- endmacro %}

{# The number of a user's last active period in its cohort, as far as that is followed. #}
{% macro last_period_number(granularity, first_active_day, last_active_day) -%}
    least(
        {{ periods_between(granularity, first_active_day, last_active_day) }},
        {{ followed_periods(granularity) }}
    )
{%- endmacro %}

{#
    Rows of another model for the periods that begin with a day in scope, once for each granularity; `day`: its column
    that lies in them.
#}
{% macro rows_in_periods(relation, scope, day) %}
    {%- if is_incremental() %}
    select
        granularities.granularity,
        restated.day as period,
        model.*
    from (
        {%- for part in ([scope] if scope is mapping else scope) if part.get('column') %}
        {{ 'union' if not loop.first }}
        {{ restated_days(part) }}
        {%- endfor %}
    ) as restated
    inner join (values ('day'), ('week'), ('month')) as granularities (granularity)
        on restated.day = {{ period_of('granularities.granularity', 'restated.day') }}
    cross join lateral (
        select *
        from {{ relation }} as rows_of_days
        where
            rows_of_days.tenant_id = restated.tenant_id
            and rows_of_days.{{ day }} >= restated.day
            and rows_of_days.{{ day }} < {{ period_after('granularities.granularity', 'restated.day') }}
        {{ planner_fence() }}
    ) as model
    {%- else %}
    select
        granularities.granularity,
        {{ period_of('granularities.granularity', 'model.' ~ day) }} as period,
        model.*
    from {{ relation }} as model
    cross join (values ('day'), ('week'), ('month')) as granularities (granularity)
    {%- endif %}
{% endmacro %}
