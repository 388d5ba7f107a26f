{{ config(meta={'dagster': {'ref': {'name': 'kpi_daily'}}}) }}

-- Number and duration of the sessions of each day are the same, counted from either table; each side may lack a day
-- only when it would say zero.
with

kpis as (
    select * from {{ ref('kpi_daily') }}
    {{ only_proven_days() }}
),

sessions as (
    select * from {{ ref('fct_sessions') }}
    {{ only_proven_days() }}
),

both_sides as (
    select
        tenant_id,
        day,
        case when metric = 'sessions' then value else 0 end as sessions,
        case when metric = 'engagement_seconds' then value else 0 end as seconds
    from kpis
    union all
    select
        tenant_id,
        day,
        -1 as sessions,
        -duration_seconds as seconds
    from sessions
),

final as (
    select
        tenant_id,
        day,
        sum(sessions) as sessions_too_many,
        sum(seconds) as seconds_too_many
    from both_sides
    group by tenant_id, day
    having sum(sessions) <> 0 or sum(seconds) <> 0
)

select
    tenant_id,
    day,
    sessions_too_many,
    seconds_too_many
from final
