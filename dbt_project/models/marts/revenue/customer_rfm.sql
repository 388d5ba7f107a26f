{#- A score compares a customer with every other one, so each build compares them anew, over payments alone. -#}

with

payments as (
    select * from {{ ref('fct_payments') }}
),

latest_days as (
    {{ latest_served_days() }}
),

customers as (
    select
        payments.tenant_id,
        payments.user_id,
        latest_days.day as as_of,
        max(payments.day) filter (where payments.kind = 'succeeded') as last_paid_on,
        count(*) filter (where payments.kind = 'succeeded') as frequency,
        coalesce(sum(payments.revenue), 0) as monetary
    from latest_days
    inner join payments
        on latest_days.tenant_id = payments.tenant_id and payments.day > latest_days.day - 365
    where payments.user_id is not null
    group by payments.tenant_id, payments.user_id, latest_days.day
    having count(*) filter (where payments.kind = 'succeeded') > 0
),

-- how many customers of the tenant are worse; equal ones share a rank and so a score
ranked as (
    select
        *,
        as_of - last_paid_on as recency_days,
        count(*) over (partition by tenant_id) as customers,
        rank() over (partition by tenant_id order by last_paid_on) - 1 as worse_recency,
        rank() over (partition by tenant_id order by frequency) - 1 as worse_frequency,
        rank() over (partition by tenant_id order by monetary) - 1 as worse_monetary
    from customers
),

scored as (
    select
        *,
        (1 + 5 * worse_recency / customers)::integer as recency_score,
        (1 + 5 * worse_frequency / customers)::integer as frequency_score,
        (1 + 5 * worse_monetary / customers)::integer as monetary_score
    from ranked
),

final as (
    select
        *,
        case
            when recency_score >= 4 and frequency_score >= 4 then 'champions'
            when recency_score >= 3 and frequency_score >= 3 then 'loyal'
            when recency_score >= 4 then 'promising'
            when recency_score = 3 then 'needs_attention'
            when frequency_score >= 3 then 'at_risk'
            else 'hibernating'
        end as segment
    from scored
)

select
    tenant_id,
    user_id,
    as_of,
    last_paid_on,
    recency_days,
    frequency,
    monetary::numeric(38, 6) as monetary,
    recency_score,
    frequency_score,
    monetary_score,
    segment
from final
