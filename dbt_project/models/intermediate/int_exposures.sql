{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'user_id'}},
        indexes=[{'columns': ['tenant_id', 'user_id']}],
    )
}}

with

events as (
    {{ events_in_scope(scope, names=['experiment_exposed']) }}
),

exposures as (
    select
        tenant_id,
        event_id,
        actor as user_id,
        {{ text_property('properties', 'experiment') }} as experiment,
        {{ text_property('properties', 'variant') }} as variant,
        day,
        occurred_at
    from events
    where actor is not null
),

final as (
    select distinct on (tenant_id, day, user_id, experiment)
        tenant_id,
        user_id,
        experiment,
        day,
        variant,
        occurred_at as exposed_at
    from exposures
    where experiment is not null and variant is not null
    order by tenant_id asc, day asc, user_id asc, experiment asc, occurred_at asc, event_id collate "C" asc
)

select
    tenant_id,
    user_id,
    experiment,
    day,
    variant,
    exposed_at
from final
