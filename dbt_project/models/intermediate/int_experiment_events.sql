{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'user_id'}},
        indexes=[{'columns': ['tenant_id', 'user_id', 'day']}],
    )
}}

with

experiments as (
    select * from {{ ref('int_experiments') }}
),

events as (
    {{ events_in_scope(scope) }}
),

-- payments are int_conversions already
counted as (
    select distinct
        experiments.tenant_id,
        asked.event_name
    from experiments
    cross join lateral jsonb_array_elements_text(experiments.conversion_events) as asked (event_name)
    where asked.event_name <> 'payment_succeeded'
),

final as (
    select
        events.tenant_id,
        events.event_id,
        events.event_name,
        events.actor as user_id,
        events.day,
        events.occurred_at as converted_at
    from events
    inner join counted on events.tenant_id = counted.tenant_id and events.event_name = counted.event_name
    where events.actor is not null
)

select
    tenant_id,
    event_id,
    event_name,
    user_id,
    day,
    converted_at
from final
