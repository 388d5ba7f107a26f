{%- set scope = {'column': 'day', 'from': 0, 'to': 30} -%}
{{ config(meta={'scope': scope, 'tells': {'key': 'day'}}) }}

with

conversions as (
    {{ rows_in_scope(ref('int_conversions'), scope) }}
),

touches as (
    select * from {{ ref('int_touches') }}
),

links as (
    select * from {{ ref('int_identity_days') }}
),

-- fenced as in events_in_scope: a few links and touches by index, never the history
converted_actors as (
    select
        tenant_id,
        day,
        conversion_id,
        converted_at,
        user_id as actor
    from conversions
    union
    select
        conversions.tenant_id,
        conversions.day,
        conversions.conversion_id,
        conversions.converted_at,
        visitors.anonymous_id as actor
    from conversions
    cross join lateral (
        select links.anonymous_id
        from links
        where
            links.tenant_id = conversions.tenant_id
            and links.user_id = conversions.user_id
            and links.day between conversions.day - 30 and conversions.day
            and links.linked_at <= conversions.converted_at
        {{ planner_fence() }}
    ) as visitors
),

touched as (
    select
        converted_actors.tenant_id,
        converted_actors.day,
        converted_actors.conversion_id,
        earlier.touch_id,
        earlier.touched_at,
        earlier.campaign,
        earlier.channel
    from converted_actors
    cross join lateral (
        select
            touches.touch_id,
            touches.touched_at,
            touches.campaign,
            touches.channel
        from touches
        where
            touches.tenant_id = converted_actors.tenant_id
            and touches.user_id = converted_actors.actor
            and touches.day between converted_actors.day - 30 and converted_actors.day
            and touches.touched_at <= converted_actors.converted_at
        {{ planner_fence() }}
    ) as earlier
),

journeys as (
    select
        conversions.tenant_id,
        conversions.day,
        conversions.conversion_id,
        touched.touch_id,
        coalesce(touched.campaign, 'direct') as campaign,
        coalesce(touched.channel, 'direct') as channel,
        touched.touched_at,
        conversions.converted_at,
        conversions.revenue
    from conversions
    left join touched
        on
            conversions.tenant_id = touched.tenant_id
            and conversions.day = touched.day
            and conversions.conversion_id = touched.conversion_id
),

final as (
    select
        tenant_id,
        day,
        conversion_id,
        row_number() over (
            partition by tenant_id, day, conversion_id order by touched_at asc, touch_id collate "C" asc
        ) as position,
        count(*) over (partition by tenant_id, day, conversion_id) as touches,
        touch_id,
        campaign,
        channel,
        touched_at,
        converted_at,
        revenue
    from journeys
)

select
    tenant_id,
    day,
    conversion_id,
    position,
    touches,
    touch_id,
    campaign,
    channel,
    touched_at,
    converted_at,
    revenue
from final
