{%- set scope = [
    {'column': 'cohort_period', 'grain': 'day', 'days_of': 'int_user_tenures'},
    {'column': 'cohort_period', 'grain': 'week', 'days_of': 'int_user_tenures'},
    {'column': 'cohort_period', 'grain': 'month', 'days_of': 'int_user_tenures'},
] -%}
{{ config(meta={'scope': scope, 'tells': {'key': 'cohort_period', 'of': ['granularity', 'cohort_users']}}) }}

with

tenures as (
    {{ rows_in_periods(ref('int_user_tenures'), scope, day='cohort_day') }}
),

numbered as (
    select
        tenant_id,
        granularity,
        period as cohort_period,
        case granularity
            when 'day' then last_day_number
            when 'week' then last_week_number
            else last_month_number
        end as last_period_number
    from tenures
),

endings as (
    select
        tenant_id,
        granularity,
        cohort_period,
        last_period_number,
        count(*) as users
    from numbered
    group by tenant_id, granularity, cohort_period, last_period_number
),

cohorts as (
    select
        tenant_id,
        granularity,
        cohort_period,
        sum(users) as users
    from endings
    group by tenant_id, granularity, cohort_period
),

remaining as (
    select
        endings.tenant_id,
        endings.granularity,
        endings.cohort_period,
        numbers.number,
        sum(endings.users) as users
    from endings
    cross join lateral generate_series(0, endings.last_period_number) as numbers (number)
    group by endings.tenant_id, endings.granularity, endings.cohort_period, numbers.number
),

final as (
    select
        remaining.tenant_id,
        remaining.granularity,
        remaining.cohort_period,
        remaining.number as period_number,
        cohorts.users::bigint as cohort_users,
        remaining.users::bigint as users,
        round(remaining.users / cohorts.users, 6)::numeric(38, 6) as retention
    from remaining
    inner join cohorts
        on
            remaining.tenant_id = cohorts.tenant_id
            and remaining.granularity = cohorts.granularity
            and remaining.cohort_period = cohorts.cohort_period
)

select
    tenant_id,
    granularity,
    cohort_period,
    period_number,
    cohort_users,
    users,
    retention
from final
