{{ config(meta={'dagster': {'ref': {'name': 'attribution'}}}) }}

-- In each model the credits of a day are its conversions and their revenue, in the last decimal.
with

credits as (
    select * from {{ ref('attribution') }}
    {{ only_proven_days() }}
),

conversions as (
    select * from {{ ref('int_conversions') }}
    {{ only_proven_days() }}
),

models (model) as (
    values ('first'), ('last'), ('linear'), ('time_decay'), ('position_based'), ('markov')
),

both_sides as (
    select
        tenant_id,
        day,
        model,
        conversions,
        revenue
    from credits
    union all
    select
        conversions.tenant_id,
        conversions.day,
        models.model,
        -1 as conversions,
        -conversions.revenue as revenue
    from conversions
    cross join models
),

final as (
    select
        tenant_id,
        day,
        model,
        sum(conversions) as conversions_too_many,
        sum(revenue) as revenue_too_much
    from both_sides
    group by tenant_id, day, model
    having sum(conversions) <> 0 or sum(revenue) <> 0
)

select
    tenant_id,
    day,
    model,
    conversions_too_many,
    revenue_too_much
from final
