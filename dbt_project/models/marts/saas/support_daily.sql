{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{ config(meta={'scope': scope}) }}

with

events as (
    {{ events_in_scope(scope) }}
),

tickets as (
    select
        tenant_id,
        day,
        actor,
        coalesce({{ text_property('properties', 'topic') }}, 'unknown') as topic
    from events
    where event_name = 'support_ticket_opened'
),

final as (
    select
        tenant_id,
        day,
        topic,
        count(*) as tickets,
        count(distinct actor) as users
    from tickets
    group by tenant_id, day, topic
)

select
    tenant_id,
    day,
    topic,
    tickets,
    users
from final
