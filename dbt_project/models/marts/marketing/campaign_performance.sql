{%- set scope = {'column': 'day', 'days_of': ['int_touches', 'attribution']} -%}
{{ config(meta={'scope': scope}) }}

with

touches as (
    {{ rows_in_scope(ref('int_touches'), scope) }}
),

credits as (
    {{ rows_in_scope(ref('attribution'), scope) }}
),

touches_by_campaign as (
    select
        tenant_id,
        day,
        campaign,
        channel,
        count(*) as touches,
        count(distinct user_id) as users_reached,
        sum(cost) as cost,
        0 as conversions,
        0 as revenue
    from touches
    group by tenant_id, day, campaign, channel
),

both_sides as (
    select * from touches_by_campaign
    union all
    select
        tenant_id,
        day,
        campaign,
        channel,
        0 as touches,
        0 as users_reached,
        0 as cost,
        conversions,
        revenue
    from credits
    where model = 'last'
),

final as (
    select
        tenant_id,
        day,
        campaign,
        channel,
        sum(touches)::bigint as touches,
        sum(users_reached)::bigint as users_reached,
        sum(cost)::numeric(38, 6) as cost,
        sum(conversions)::bigint as conversions,
        sum(revenue)::numeric(38, 6) as revenue,
        round(sum(cost) / nullif(sum(conversions), 0), 6)::numeric(38, 6) as cost_per_conversion,
        round(sum(revenue) / nullif(sum(cost), 0), 6)::numeric(38, 6) as return_on_spend
    from both_sides
    group by tenant_id, day, campaign, channel
)

select
    tenant_id,
    day,
    campaign,
    channel,
    touches,
    users_reached,
    cost,
    conversions,
    revenue,
    cost_per_conversion,
    return_on_spend
from final
