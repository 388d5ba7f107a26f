{%- set scope = [
    {'column': 'period', 'grain': 'day', 'from': 0, 'to': 1},
    {'column': 'period', 'grain': 'week', 'from': 0, 'to': 7},
    {'column': 'period', 'grain': 'month', 'from': 0, 'to': 31},
    {'column': 'period', 'days_of': 'int_user_periods'},
] -%}
{{ config(meta={'scope': scope}, indexes=[{'columns': ['tenant_id', 'period']}]) }}

with

user_periods as (
    {{ rows_in_scope(ref('int_user_periods'), scope) }}
),

periods as (
    select distinct
        tenant_id,
        granularity,
        period,
        {{ period_before('granularity', 'period') }} as previous_period
    from user_periods
),

active_before as (
    select
        periods.tenant_id,
        periods.granularity,
        periods.period,
        earlier.user_id
    from periods
    inner join {{ ref('int_user_periods') }} as earlier
        on
            periods.tenant_id = earlier.tenant_id
            and periods.granularity = earlier.granularity
            and periods.previous_period = earlier.period
),

stages as (
    select
        coalesce(user_periods.tenant_id, active_before.tenant_id) as tenant_id,
        coalesce(user_periods.granularity, active_before.granularity) as granularity,
        coalesce(user_periods.period, active_before.period) as period,
        case
            when user_periods.user_id is null then 'dormant'
            when active_before.user_id is not null then 'retained'
            when user_periods.period = user_periods.cohort_period then 'new'
            else 'resurrected'
        end as life_stage
    from user_periods
    full outer join active_before
        on
            user_periods.tenant_id = active_before.tenant_id
            and user_periods.granularity = active_before.granularity
            and user_periods.period = active_before.period
            and user_periods.user_id = active_before.user_id
),

final as (
    select
        tenant_id,
        granularity,
        period,
        count(*) filter (where life_stage <> 'dormant') as active_users,
        count(*) filter (where life_stage = 'new') as new_users,
        count(*) filter (where life_stage = 'retained') as retained_users,
        count(*) filter (where life_stage = 'resurrected') as resurrected_users,
        count(*) filter (where life_stage = 'dormant') as dormant_users
    from stages
    group by tenant_id, granularity, period
)

select
    tenant_id,
    granularity,
    period,
    active_users,
    new_users,
    retained_users,
    resurrected_users,
    dormant_users
from final
