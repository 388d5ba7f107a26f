{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'day'}},
        indexes=[{'columns': ['tenant_id', 'user_id', 'day']}],
    )
}}

with

events as (
    {{ events_in_scope(scope, names=['campaign_touched']) }}
),

final as (
    select
        tenant_id,
        event_id as touch_id,
        actor as user_id,
        day,
        occurred_at as touched_at,
        coalesce({{ text_property('properties', 'campaign') }}, 'unknown') as campaign,
        coalesce({{ text_property('properties', 'channel') }}, 'unknown') as channel,
        coalesce({{ decimal_property('properties', 'cost') }}, 0)::numeric(38, 6) as cost
    from events
)

select
    tenant_id,
    touch_id,
    user_id,
    day,
    touched_at,
    campaign,
    channel,
    cost
from final
