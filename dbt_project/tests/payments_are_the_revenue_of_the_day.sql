{{ config(meta={'dagster': {'ref': {'name': 'fct_payments'}}}) }}

-- Not a cent is lost: the payments of each day add up to its revenue.
with

kpis as (
    select * from {{ ref('kpi_daily') }}
    {{ only_proven_days() }}
),

payments as (
    select * from {{ ref('fct_payments') }}
    {{ only_proven_days() }}
),

both_sides as (
    select
        tenant_id,
        day,
        value as revenue
    from kpis
    where metric = 'revenue'
    union all
    select
        tenant_id,
        day,
        -coalesce(revenue, 0) as revenue
    from payments
),

final as (
    select
        tenant_id,
        day,
        sum(revenue) as revenue_too_much
    from both_sides
    group by tenant_id, day
    having sum(revenue) <> 0
)

select
    tenant_id,
    day,
    revenue_too_much
from final
