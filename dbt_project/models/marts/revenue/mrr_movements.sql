{#- A late payment moves the opening of every month after it, so the mart is made anew from the sums of the days. -#}

with

days as (
    select * from {{ ref('int_mrr_days') }}
),

latest_days as (
    {{ latest_served_days() }}
),

-- payments that have not lapsed yet are to lapse on a day to come
moves as (
    select
        days.tenant_id,
        date_trunc('month', days.day::timestamp)::date as month,
        days.movement,
        days.mrr,
        days.subscribers
    from days
    inner join latest_days on days.tenant_id = latest_days.tenant_id and days.day <= latest_days.day
),

first_months as (
    select
        tenant_id,
        min(month) as month
    from moves
    group by tenant_id
),

months as (
    select
        first_months.tenant_id,
        series.month::date as month,
        least((series.month + interval '1 month - 1 day')::date, latest_days.day) as last_day
    from first_months
    inner join latest_days on first_months.tenant_id = latest_days.tenant_id
    cross join lateral generate_series(
        first_months.month::timestamp, latest_days.day::timestamp, interval '1 month'
    ) as series (month)
),

by_month as (
    select
        months.tenant_id,
        months.month,
        months.last_day,
        coalesce(sum(moves.mrr) filter (where moves.movement = 'new'), 0) as new_mrr,
        coalesce(sum(moves.mrr) filter (where moves.movement = 'expansion'), 0) as expansion_mrr,
        coalesce(sum(moves.mrr) filter (where moves.movement = 'contraction'), 0) as contraction_mrr,
        coalesce(sum(moves.mrr) filter (where moves.movement = 'churn'), 0) as churn_mrr,
        coalesce(sum(moves.mrr) filter (where moves.movement = 'reactivation'), 0) as reactivation_mrr,
        coalesce(sum(moves.subscribers) filter (where moves.movement = 'new'), 0) as new_subscribers,
        coalesce(sum(moves.subscribers) filter (where moves.movement = 'expansion'), 0) as expansion_subscribers,
        coalesce(sum(moves.subscribers) filter (where moves.movement = 'contraction'), 0) as contraction_subscribers,
        coalesce(sum(moves.subscribers) filter (where moves.movement = 'churn'), 0) as churn_subscribers,
        coalesce(sum(moves.subscribers) filter (where moves.movement = 'reactivation'), 0) as reactivation_subscribers
    from months
    left join moves on months.tenant_id = moves.tenant_id and months.month = moves.month
    group by months.tenant_id, months.month, months.last_day
),

netted as (
    select
        *,
        new_mrr + expansion_mrr + contraction_mrr + churn_mrr + reactivation_mrr as net_mrr,
        new_subscribers + reactivation_subscribers - churn_subscribers as net_subscribers
    from by_month
),

final as (
    select
        *,
        sum(net_mrr) over (partition by tenant_id order by month) as closing_mrr,
        sum(net_subscribers) over (partition by tenant_id order by month) as closing_subscribers
    from netted
)

select
    tenant_id,
    month,
    last_day,
    (closing_mrr - net_mrr)::numeric(38, 6) as opening_mrr,
    new_mrr::numeric(38, 6) as new_mrr,
    expansion_mrr::numeric(38, 6) as expansion_mrr,
    contraction_mrr::numeric(38, 6) as contraction_mrr,
    churn_mrr::numeric(38, 6) as churn_mrr,
    reactivation_mrr::numeric(38, 6) as reactivation_mrr,
    closing_mrr::numeric(38, 6) as closing_mrr,
    (closing_subscribers - net_subscribers)::bigint as opening_subscribers,
    new_subscribers::bigint as new_subscribers,
    expansion_subscribers::bigint as expansion_subscribers,
    contraction_subscribers::bigint as contraction_subscribers,
    churn_subscribers::bigint as churn_subscribers,
    reactivation_subscribers::bigint as reactivation_subscribers,
    closing_subscribers::bigint as closing_subscribers
from final
