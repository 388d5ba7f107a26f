{#- a day changes the windows of the 29 days after it, and their windows begin 29 days before it -#}
{%- set scope = {'column': 'day', 'from': 0, 'to': 29} -%}
{{ config(meta={'scope': scope, 'tells': {'key': 'day'}}) }}

with

days as (
    {{ rows_in_scope(ref('int_daily_measures'), scope) }}
),

user_days as (
    {{ rows_in_scope(ref('fct_user_days'), {'column': 'day', 'from': -29, 'to': 29}) }}
),

active_days as (
    select
        tenant_id,
        day,
        lead(day) over (partition by tenant_id, user_id order by day) as next_day
    from user_days
    where events > 0
),

-- an active user comes into a window, and leaves it when it ends or when a newer day of the same user comes in
steps as (
    select
        tenant_id,
        day,
        1 as weekly,
        1 as monthly
    from active_days
    union all
    select
        tenant_id,
        least(day + 7, next_day) as day,
        -1 as weekly,
        0 as monthly
    from active_days
    union all
    select
        tenant_id,
        least(day + 30, next_day) as day,
        0 as weekly,
        -1 as monthly
    from active_days
    union all
    select
        tenant_id,
        day,
        0 as weekly,
        0 as monthly
    from days
),

daily_steps as (
    select
        tenant_id,
        day,
        sum(weekly) as weekly,
        sum(monthly) as monthly
    from steps
    group by tenant_id, day
),

windows as (
    select
        tenant_id,
        day,
        (sum(weekly) over until_the_day)::bigint as weekly_active_users,
        (sum(monthly) over until_the_day)::bigint as monthly_active_users
    from daily_steps
    window until_the_day as (partition by tenant_id order by day)
),

final as (
    select
        windows.tenant_id,
        windows.day,
        windows.weekly_active_users,
        windows.monthly_active_users
    from windows
    inner join days on windows.tenant_id = days.tenant_id and windows.day = days.day
)

select
    tenant_id,
    day,
    weekly_active_users,
    monthly_active_users
from final
