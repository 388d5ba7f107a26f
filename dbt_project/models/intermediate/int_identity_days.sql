{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'anonymous_id'}},
        indexes=[{'columns': ['tenant_id', 'anonymous_id']}, {'columns': ['tenant_id', 'user_id', 'day']}],
    )
}}

with

events as (
    {{ events_in_scope(scope) }}
),

final as (
    select
        tenant_id,
        anonymous_id,
        user_id,
        day,
        min(occurred_at) as linked_at
    from events
    where anonymous_id is not null and user_id is not null
    group by tenant_id, anonymous_id, user_id, day
)

select
    tenant_id,
    anonymous_id,
    user_id,
    day,
    linked_at
from final
