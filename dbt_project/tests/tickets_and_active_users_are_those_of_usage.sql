{{ config(meta={'dagster': {'ref': {'name': 'usage_daily'}}}) }}

-- The tickets of a day's topics, and the user days with engagement, are what the day's usage says.
with

usage as (
    select * from {{ ref('usage_daily') }}
    {{ only_proven_days() }}
),

topics as (
    select * from {{ ref('support_daily') }}
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
        support_tickets as tickets,
        active_users
    from usage
    union all
    select
        tenant_id,
        day,
        -tickets as tickets,
        0 as active_users
    from topics
    union all
    select
        tenant_id,
        day,
        0 as tickets,
        -1 as active_users
    from user_days
    where events > 0
),

final as (
    select
        tenant_id,
        day,
        sum(tickets) as tickets_too_many,
        sum(active_users) as users_too_many
    from both_sides
    group by tenant_id, day
    having sum(tickets) <> 0 or sum(active_users) <> 0
)

select
    tenant_id,
    day,
    tickets_too_many,
    users_too_many
from final
