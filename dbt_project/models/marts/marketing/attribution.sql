{%- set scope = {'column': 'day', 'days_of': ['int_conversion_touches', 'int_channel_effects']} -%}
{{ config(meta={'scope': scope, 'tells': {'key': 'day'}}) }}

with

journeys as (
    {{ rows_in_scope(ref('int_conversion_touches'), scope) }}
),

effects as (
    {{ rows_in_scope(ref('int_channel_effects'), scope) }}
),

-- a touch loses half of its weight in seven days
decays as (
    select
        journeys.*,
        coalesce(effects.removal_effect, 0) as removal_effect,
        case
            when journeys.touched_at is null then 1
            else
                round(
                    power(
                        2::double precision,
                        -extract(epoch from journeys.converted_at - journeys.touched_at)::double precision / 604800
                    )::numeric,
                    12
                )
        end as decay
    from journeys
    left join effects
        on
            journeys.tenant_id = effects.tenant_id
            and journeys.day = effects.day
            and journeys.channel = effects.channel
            and journeys.touch_id is not null
),

weighted as (
    select
        *,
        sum(decay) over (
            partition by tenant_id, day, conversion_id order by position asc rows unbounded preceding
        ) as decay_so_far,
        sum(decay) over (partition by tenant_id, day, conversion_id) as decay_of_all,
        sum(removal_effect) over (
            partition by tenant_id, day, conversion_id order by position asc rows unbounded preceding
        ) as effect_so_far,
        sum(removal_effect) over (partition by tenant_id, day, conversion_id) as effect_of_all
    from decays
),

-- the part of the conversion that the journey had earned when the touch was made, as `earned / of`
earned as (
    select
        weighted.tenant_id,
        weighted.day,
        weighted.conversion_id,
        weighted.position,
        models.model,
        weighted.campaign,
        weighted.channel,
        round(models.earned / models.whole, 6) as conversions,
        round(weighted.revenue * models.earned / models.whole, 6) as revenue
    from weighted
    cross join lateral (
        values
        ('first', 1::numeric, 1::numeric),
        ('last', case when weighted.position = weighted.touches then 1 else 0 end, 1),
        ('linear', weighted.position, weighted.touches),
        ('time_decay', weighted.decay_so_far, weighted.decay_of_all),
        (
            'position_based',
            case
                when weighted.position = weighted.touches then 1
                when weighted.touches = 2 then 0.5
                -- 40 % for the first, 20 % for all between
                else 0.4 + 0.2 * (weighted.position - 1) / (weighted.touches - 2)
            end,
            1
        ),
        (
            'markov',
            case when weighted.effect_of_all > 0 then weighted.effect_so_far else weighted.position end,
            case when weighted.effect_of_all > 0 then weighted.effect_of_all else weighted.touches end
        )
    ) as models (model, earned, whole)
),

-- each touch gets what the rounded total grew by, so that any journey sums to its conversion in the last decimal
credits as (
    select
        tenant_id,
        day,
        model,
        channel,
        campaign,
        conversions - lag(conversions, 1, 0::numeric) over (
            partition by tenant_id, day, conversion_id, model order by position asc
        ) as conversions,
        revenue - lag(revenue, 1, 0::numeric) over (
            partition by tenant_id, day, conversion_id, model order by position asc
        ) as revenue
    from earned
),

final as (
    select
        tenant_id,
        day,
        model,
        channel,
        campaign,
        sum(conversions)::numeric(38, 6) as conversions,
        sum(revenue)::numeric(38, 6) as revenue
    from credits
    group by tenant_id, day, model, channel, campaign
    having sum(conversions) <> 0 or sum(revenue) <> 0
)

select
    tenant_id,
    day,
    model,
    channel,
    campaign,
    conversions,
    revenue
from final
