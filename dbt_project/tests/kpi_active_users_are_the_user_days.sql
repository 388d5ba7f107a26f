{{ config(meta={'dagster': {'ref': {'name': 'kpi_daily'}}}) }}

-- The active users of a day are its user days with an engagement event.
with

kpis as (
    select * from {{ ref('kpi_daily') }}
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
        value as users
    from kpis
    where metric = 'active_users'
    union all
    select
        tenant_id,
        day,
        -1 as users
    from user_days
    where events > 0
),

final as (
    select
        tenant_id,
        day,
        sum(users) as users_too_many
    from both_sides
    group by tenant_id, day
    having sum(users) <> 0
)

select
    tenant_id,
    day,
    users_too_many
from final
