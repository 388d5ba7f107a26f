{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope},
        indexes=[{'columns': ['tenant_id', 'day']}],
    )
}}

with

events as (
    {{ events_in_scope(scope) }}
),

final as (
    select
        tenant_id,
        event_id,
        actor as user_id,
        day,
        occurred_at,
        case event_name
            when 'payment_succeeded' then 'succeeded'
            when 'payment_refunded' then 'refunded'
            when 'payment_failed' then 'failed'
        end as kind,
        {{ decimal_property('properties', 'amount') }} as amount,
        revenue,
        {{ text_property('properties', 'plan') }} as plan,
        {{ text_property('properties', 'order_id') }} as order_id,
        {{ text_property('properties', 'method') }} as method,
        {{ text_property('properties', 'currency') }} as currency
    from events
    where event_name in ('payment_succeeded', 'payment_refunded', 'payment_failed')
)

select
    tenant_id,
    event_id,
    user_id,
    day,
    occurred_at,
    kind,
    amount::numeric(38, 6) as amount,
    revenue::numeric(38, 6) as revenue,
    plan,
    order_id,
    method,
    currency
from final
