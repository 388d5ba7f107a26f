{{ config(meta={'dagster': {'ref': {'name': 'campaign_performance'}}}) }}

-- Joining touches and credits neither loses nor multiplies a touch, its cost, a conversion or its revenue.
with

campaigns as (
    select * from {{ ref('campaign_performance') }}
    {{ only_proven_days() }}
),

touches as (
    select * from {{ ref('int_touches') }}
    {{ only_proven_days() }}
),

conversions as (
    select * from {{ ref('int_conversions') }}
    {{ only_proven_days() }}
),

all_sides as (
    select
        tenant_id,
        day,
        touches,
        cost,
        conversions,
        revenue
    from campaigns
    union all
    select
        tenant_id,
        day,
        -1 as touches,
        -cost as cost,
        0 as conversions,
        0 as revenue
    from touches
    union all
    select
        tenant_id,
        day,
        0 as touches,
        0 as cost,
        -1 as conversions,
        -revenue as revenue
    from conversions
),

final as (
    select
        tenant_id,
        day,
        sum(touches) as touches_too_many,
        sum(cost) as cost_too_much,
        sum(conversions) as conversions_too_many,
        sum(revenue) as revenue_too_much
    from all_sides
    group by tenant_id, day
    having sum(touches) <> 0 or sum(cost) <> 0 or sum(conversions) <> 0 or sum(revenue) <> 0
)

select
    tenant_id,
    day,
    touches_too_many,
    cost_too_much,
    conversions_too_many,
    revenue_too_much
from final
