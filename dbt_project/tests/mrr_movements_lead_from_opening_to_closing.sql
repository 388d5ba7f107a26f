{{ config(meta={'dagster': {'ref': {'name': 'mrr_movements'}}}) }}

-- Opening and movements add up to closing, a month opens with what the one before closed, and no month is left out.
with

months as (
    select * from {{ ref('mrr_movements') }}
),

balanced as (
    select
        *,
        opening_mrr + new_mrr + expansion_mrr + contraction_mrr + churn_mrr + reactivation_mrr as led_to_mrr,
        opening_subscribers + new_subscribers + reactivation_subscribers - churn_subscribers as led_to_subscribers,
        lag(month) over by_tenant as month_before,
        coalesce(lag(closing_mrr) over by_tenant, 0) as closed_mrr,
        coalesce(lag(closing_subscribers) over by_tenant, 0) as closed_subscribers
    from months
    window by_tenant as (partition by tenant_id order by month)
),

final as (
    select *
    from balanced
    where
        closing_mrr <> led_to_mrr
        or closing_subscribers <> led_to_subscribers
        or opening_mrr <> closed_mrr
        or opening_subscribers <> closed_subscribers
        or month <> (month_before + interval '1 month')::date
)

select
    tenant_id,
    month,
    opening_mrr,
    led_to_mrr,
    closing_mrr
from final
