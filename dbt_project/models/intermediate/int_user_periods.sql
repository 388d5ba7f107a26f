{%- set scope = [
    {'column': 'period', 'grain': 'day', 'from': 0, 'to': 0},
    {'column': 'period', 'grain': 'week', 'from': 0, 'to': 0},
    {'column': 'period', 'grain': 'month', 'from': 0, 'to': 0},
    {'users_of': ['dim_users']},
] -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'period'}},
        indexes=[
            {'columns': ['tenant_id', 'cohort_period', 'granularity']},
            {'columns': ['tenant_id', 'user_id']},
        ],
    )
}}

with

users as (
    select * from {{ ref('dim_users') }}
),

days_of_periods as (
    {{ rows_in_periods(ref('fct_user_days'), scope, day='day') }}
),

days_of_users as (
    {{ rows_in_scope(ref('fct_user_days'), {'users_of': ['dim_users']}) }}
),

active as (
    select
        tenant_id,
        granularity,
        period,
        user_id
    from days_of_periods
    where events > 0
    {%- if is_incremental() %}
    union
    select
        days_of_users.tenant_id,
        granularities.granularity,
        {{ period_of('granularities.granularity', 'days_of_users.day') }} as period,
        days_of_users.user_id
    from days_of_users
    cross join (values ('day'), ('week'), ('month')) as granularities (granularity)
    where days_of_users.events > 0
    {%- endif %}
),

active_once as (
    select distinct
        tenant_id,
        granularity,
        period,
        user_id
    from active
),

final as (
    select
        active_once.tenant_id,
        active_once.granularity,
        active_once.period,
        active_once.user_id,
        {{ period_of('active_once.granularity', 'users.first_active_day') }} as cohort_period
    from active_once
    inner join users on active_once.tenant_id = users.tenant_id and active_once.user_id = users.user_id
)

select
    tenant_id,
    granularity,
    period,
    user_id,
    cohort_period
from final
