with

events as (
    select * from {{ source('raw', 'events') }}
),

tenants as (
    select * from {{ ref('stg_tenants') }}
),

fronts as (
    select * from {{ source('pipeline', 'fronts') }}
),

served as (
    select
        events.tenant_id,
        events.event_id,
        events.event_type,
        events.event_name,
        events.source,
        events.occurred_at,
        events.user_id,
        events.anonymous_id,
        events.is_test,
        events.properties,
        events.load_day,
        {{ local_time('events.occurred_at', 'tenants.time_zone') }} as local_time,
        {{ decimal_property('events.properties', 'amount') }} as amount,
        tenants.primary_event
    from events
    inner join tenants on events.tenant_id = tenants.tenant_id
    left join fronts on events.tenant_id = fronts.tenant_id
    where fronts.front is null or events.load_day < fronts.front
),

final as (
    select
        tenant_id,
        event_id,
        event_type,
        event_name,
        source,
        occurred_at,
        user_id,
        anonymous_id,
        coalesce(user_id, anonymous_id) as actor,
        local_time::date as day,
        {{ activity_day('local_time') }} as activity_day,
        is_test,
        {{ is_engagement('event_type') }} and not is_test as is_engagement,
        event_name = primary_event and not is_test as is_primary_action,
        case event_name
            when 'payment_succeeded' then amount
            when 'payment_refunded' then -amount
        end as revenue,
        properties,
        load_day
    from served
)

select
    tenant_id,
    event_id,
    event_type,
    event_name,
    source,
    occurred_at,
    user_id,
    anonymous_id,
    actor,
    day,
    activity_day,
    is_test,
    is_engagement,
    is_primary_action,
    revenue,
    properties,
    load_day
from final
