{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'user_id'}},
        indexes=[{'columns': ['tenant_id', 'day']}, {'columns': ['tenant_id', 'user_id']}],
    )
}}

with

events as (
    {{ events_in_scope(scope) }}
),

priced as (
    select
        tenant_id,
        event_id,
        actor as user_id,
        day,
        occurred_at,
        case event_name
            when 'subscription_cancelled' then 0
            when 'payment_succeeded'
                then case
                    when {{ text_property('properties', 'plan') }} is not null
                        then {{ decimal_property('properties', 'amount') }}
                end
        end as price
    from events
    where actor is not null and event_name in ('payment_succeeded', 'subscription_cancelled')
),

final as (
    select * from priced
    where price >= 0
)

select
    tenant_id,
    event_id,
    user_id,
    day,
    occurred_at,
    price::numeric(38, 6) as price
from final
