{{ config(meta={'dagster': {'ref': {'name': 'lifecycle'}}}) }}

-- The active users of a day are those of its key figures; whoever is new on it is its cohort.
with

lifecycle as (
    select
        tenant_id,
        period as day,
        active_users,
        new_users
    from {{ ref('lifecycle') }}
    where granularity = 'day'
),

cohorts as (
    select
        tenant_id,
        cohort_period as day,
        cohort_users
    from {{ ref('retention_unbounded') }}
    where granularity = 'day' and period_number = 0
),

kpis as (
    select
        tenant_id,
        day,
        value as active_users
    from {{ ref('kpi_daily') }}
    where metric = 'active_users'
),

both_sides as (
    select
        tenant_id,
        day,
        active_users,
        new_users
    from lifecycle
    {{ only_proven_days() }}
    union all
    select
        tenant_id,
        day,
        0 as active_users,
        -cohort_users as new_users
    from cohorts
    {{ only_proven_days() }}
    union all
    select
        tenant_id,
        day,
        -active_users as active_users,
        0 as new_users
    from kpis
    {{ only_proven_days() }}
),

final as (
    select
        tenant_id,
        day,
        sum(active_users) as users_too_many,
        sum(new_users) as new_users_too_many
    from both_sides
    group by tenant_id, day
    having sum(active_users) <> 0 or sum(new_users) <> 0
)

select
    tenant_id,
    day,
    users_too_many,
    new_users_too_many
from final
