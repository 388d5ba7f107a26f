{%- set scope = {'users_of': ['int_subscription_events']} -%}
{#- a payment lasts for its own day and the next 34: a month of 31 days, and some days to be late in -#}
{%- set lasts = 35 -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'day'}},
        indexes=[{'columns': ['tenant_id', 'day']}],
    )
}}

with

events as (
    {{ rows_in_scope(ref('int_subscription_events'), scope) }}
),

prices as (
    select distinct on (tenant_id, user_id, day)
        tenant_id,
        user_id,
        day,
        price
    from events
    order by tenant_id asc, user_id asc, day asc, occurred_at desc, price desc
),

followed as (
    select
        tenant_id,
        user_id,
        day,
        price,
        lead(day) over (partition by tenant_id, user_id order by day) as next_day
    from prices
),

levels as (
    select
        tenant_id,
        user_id,
        day,
        price
    from followed
    union all
    select
        tenant_id,
        user_id,
        day + {{ lasts }} as day,
        0 as price
    from followed
    where price > 0 and (next_day is null or next_day > day + {{ lasts }})
),

steps as (
    select
        tenant_id,
        user_id,
        day,
        coalesce(lag(price) over (partition by tenant_id, user_id order by day), 0) as mrr_before,
        price as mrr_after
    from levels
),

changes as (
    select
        tenant_id,
        user_id,
        day,
        mrr_before,
        mrr_after,
        row_number() over (partition by tenant_id, user_id order by day) as number
    from steps
    where mrr_before <> mrr_after
),

final as (
    select
        tenant_id,
        user_id,
        day,
        mrr_before,
        mrr_after,
        case
            when mrr_after = 0 then 'churn'
            when number = 1 then 'new'
            when mrr_before = 0 then 'reactivation'
            when mrr_after > mrr_before then 'expansion'
            else 'contraction'
        end as movement
    from changes
)

select
    tenant_id,
    user_id,
    day,
    mrr_before::numeric(38, 6) as mrr_before,
    mrr_after::numeric(38, 6) as mrr_after,
    movement
from final
