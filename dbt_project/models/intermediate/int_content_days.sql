{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={
            'scope': scope,
            'tells': {'key': 'content_id', 'of': ['content_type', 'day']},
        },
        indexes=[{'columns': ['tenant_id', 'content_id', 'content_type', 'day']}],
    )
}}

with

events as (
    {{ events_in_scope(scope) }}
),

named as (
    select
        events.tenant_id,
        events.day,
        events.actor,
        events.event_name,
        events.properties,
        item.content_type,
        item.content_id
    from events
    cross join
        lateral (
            values
            ('track', {{ text_property('events.properties', 'track_id') }}),
            ('product', {{ text_property('events.properties', 'product_id') }}),
            ('article', {{ text_property('events.properties', 'article_id') }})
        ) as item (content_type, content_id)
    where item.content_id is not null
),

told as (
    select
        tenant_id,
        day,
        actor,
        content_type,
        content_id,
        event_name = {{ content_event('content_type', 'use') }} as is_use,
        event_name = {{ content_event('content_type', 'drop') }} as is_drop,
        content_type = 'product' and event_name = 'cart_changed' as is_cart_change,
        case when content_type = 'track' and event_name = 'track_play' then properties -> 'completed' end as completed,
        case
            when content_type = 'track' and event_name = 'track_play'
                then {{ integer_property('properties', 'duration_seconds') }}
            when content_type = 'article' and event_name = 'article_read'
                then {{ integer_property('properties', 'read_seconds') }}
        end as seconds
    from named
),

final as (
    select
        tenant_id,
        day,
        content_type,
        content_id,
        count(*) as events,
        count(*) filter (where is_use) as uses,
        count(*) filter (where is_drop) as drops,
        count(*) filter (where completed = 'true') as completed,
        count(*) filter (where completed = 'false') as interrupted,
        count(*) filter (where is_cart_change) as cart_changes,
        coalesce(sum(seconds), 0)::bigint as seconds,
        count(distinct actor) as users,
        count(distinct actor) filter (where is_use) as using_users
    from told
    group by tenant_id, day, content_type, content_id
)

select
    tenant_id,
    day,
    content_type,
    content_id,
    events,
    uses,
    drops,
    completed,
    interrupted,
    cart_changes,
    seconds,
    users,
    using_users
from final
