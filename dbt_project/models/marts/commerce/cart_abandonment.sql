{#- the sessions of a day lie in its activity day, or in the one before -#}
{%- set scope = {'column': 'day', 'from': -1, 'to': 1} -%}
{%- set activity = {'column': 'activity_day', 'from': -2, 'to': 1} -%}
{{ config(meta={'scope': scope}) }}

with

sessions as (
    {{ rows_in_scope(ref('fct_sessions'), scope) }}
),

session_events as (
    {{ rows_in_scope(ref('int_session_events'), activity) }}
),

carts as (
    select
        tenant_id,
        activity_day,
        session_id,
        coalesce(
            max(occurred_at) filter (where event_name = 'order_placed')
            >= min(occurred_at) filter (where event_name = 'cart_changed'),
            false
        ) as is_ordered
    from session_events
    group by tenant_id, activity_day, session_id
    having bool_or(event_name = 'cart_changed')
),

final as (
    select
        sessions.tenant_id,
        sessions.day,
        count(*) as carts,
        count(*) filter (where carts.is_ordered) as ordered,
        count(*) filter (where not carts.is_ordered) as abandoned,
        round(
            count(*) filter (where not carts.is_ordered)::numeric / count(*), 6
        )::numeric(7, 6) as abandonment_rate
    from sessions
    inner join carts
        on
            sessions.tenant_id = carts.tenant_id
            and sessions.activity_day = carts.activity_day
            and sessions.session_id = carts.session_id
    group by sessions.tenant_id, sessions.day
)

select
    tenant_id,
    day,
    carts,
    ordered,
    abandoned,
    abandonment_rate
from final
