{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{ config(meta={'scope': scope}, indexes=[{'columns': ['tenant_id', 'day']}]) }}

with

tenants as (
    select * from {{ ref('stg_tenants') }}
),

events as (
    {{ events_in_scope(scope) }}
),

used as (
    select
        events.tenant_id,
        events.day,
        events.actor,
        case
            when tenants.kind <> 'saas' then events.event_name
            when events.event_name = 'feature_used' then {{ text_property('events.properties', 'feature') }}
        end as feature
    from events
    inner join tenants on events.tenant_id = tenants.tenant_id
    where events.is_engagement and events.actor is not null
),

final as (
    select
        tenant_id,
        day,
        feature,
        actor as user_id,
        count(*) as uses
    from used
    where feature is not null
    group by tenant_id, day, feature, actor
)

select
    tenant_id,
    day,
    feature,
    user_id,
    uses
from final
