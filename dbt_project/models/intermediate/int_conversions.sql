{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'user_id'}},
        indexes=[{'columns': ['tenant_id', 'user_id', 'day']}],
    )
}}

with

events as (
    {{ events_in_scope(scope, names=['payment_succeeded']) }}
),

final as (
    select
        tenant_id,
        event_id as conversion_id,
        actor as user_id,
        day,
        occurred_at as converted_at,
        coalesce(revenue, 0)::numeric(38, 6) as revenue
    from events
)

select
    tenant_id,
    conversion_id,
    user_id,
    day,
    converted_at,
    revenue
from final
