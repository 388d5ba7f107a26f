{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope},
        indexes=[{'columns': ['tenant_id', 'day']}, {'columns': ['tenant_id', 'user_id', 'funnel', 'step', 'occurred_at']}],
    )
}}

with

funnels as (
    select * from {{ ref('int_funnels') }}
),

events as (
    {{ events_in_scope(scope) }}
),

final as (
    select
        events.tenant_id,
        funnels.funnel,
        funnels.step,
        events.event_id,
        events.actor as user_id,
        events.day,
        events.occurred_at,
        case
            when
                jsonb_typeof(events.properties -> funnels.breakdown_property) = 'string'
                and length(events.properties ->> funnels.breakdown_property) <= 100
                then events.properties ->> funnels.breakdown_property
            else ''
        end as breakdown
    from events
    inner join funnels
        on
            events.tenant_id = funnels.tenant_id
            and events.event_name = funnels.event_name
            and events.properties @> funnels.conditions
    where events.actor is not null
)

select
    tenant_id,
    funnel,
    step,
    event_id,
    user_id,
    day,
    occurred_at,
    breakdown
from final
