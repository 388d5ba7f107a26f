{{ config(meta={'dagster': {'ref': {'name': 'fct_user_days'}}}) }}

-- Joining sessions to the events of their users' days neither loses nor multiplies a session.
with

sessions as (
    select * from {{ ref('fct_sessions') }}
    {{ only_proven_days() }}
),

user_days as (
    select * from {{ ref('fct_user_days') }}
    {{ only_proven_days() }}
),

both_sides as (
    select
        tenant_id,
        day,
        sessions,
        engagement_seconds
    from user_days
    union all
    select
        tenant_id,
        day,
        -1 as sessions,
        -duration_seconds as engagement_seconds
    from sessions
),

final as (
    select
        tenant_id,
        day,
        sum(sessions) as sessions_too_many,
        sum(engagement_seconds) as seconds_too_many
    from both_sides
    group by tenant_id, day
    having sum(sessions) <> 0 or sum(engagement_seconds) <> 0
)

select
    tenant_id,
    day,
    sessions_too_many,
    seconds_too_many
from final
