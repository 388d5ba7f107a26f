{%- set scope = [
    {'column': 'period', 'days_of': 'int_user_periods'},
    {'column': 'cohort_period', 'days_of': 'retention_unbounded'},
] -%}
{{
    config(
        meta={'scope': scope},
        indexes=[{'columns': ['tenant_id', 'period']}, {'columns': ['tenant_id', 'cohort_period']}],
    )
}}

with

user_periods as (
    {{ rows_in_scope(ref('int_user_periods'), scope) }}
),

cohorts as (
    select * from {{ ref('retention_unbounded') }}
    where period_number = 0
),

returns as (
    select
        tenant_id,
        granularity,
        cohort_period,
        period,
        {{ periods_between('granularity', 'cohort_period', 'period') }} as period_number,
        count(*) as active_users
    from user_periods
    group by tenant_id, granularity, cohort_period, period
),

final as (
    select
        returns.tenant_id,
        returns.granularity,
        returns.cohort_period,
        returns.period,
        returns.period_number,
        cohorts.cohort_users,
        returns.active_users,
        round(returns.active_users::numeric / cohorts.cohort_users, 6)::numeric(38, 6) as retention
    from returns
    inner join cohorts
        on
            returns.tenant_id = cohorts.tenant_id
            and returns.granularity = cohorts.granularity
            and returns.cohort_period = cohorts.cohort_period
    where returns.period_number <= {{ followed_periods('returns.granularity') }}
)

select
    tenant_id,
    granularity,
    cohort_period,
    period,
    period_number,
    cohort_users,
    active_users,
    retention
from final
