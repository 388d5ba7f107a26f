{%- set scope = {'column': 'day', 'from': -1, 'to': 1} -%}
{{ config(meta={'scope': scope, 'tells': {'key': 'day'}}) }}

with

events as (
    {{ events_in_scope(scope, with_tests=true) }}
),

sessions as (
    {{ rows_in_scope(ref('fct_sessions'), scope) }}
),

daily_events as (
    select
        tenant_id,
        day,
        count(distinct actor) filter (where is_engagement) as active_users,
        count(*) filter (where is_primary_action) as primary_actions,
        count(*) filter (where event_name = 'payment_succeeded' and not is_test) as payments,
        count(*) filter (where event_name = 'payment_refunded' and not is_test) as refunds,
        coalesce(sum(revenue) filter (where not is_test), 0)::numeric(38, 6) as revenue,
        count(*) filter (where event_name = 'subscription_started' and not is_test) as new_subscribers,
        count(*) filter (where event_name = 'subscription_cancelled' and not is_test) as lost_subscribers,
        count(*) filter (where not is_test) as events,
        count(*) filter (where event_name = 'app_error' and not is_test) as app_errors,
        count(*) filter (where is_test) as test_events
    from events
    group by tenant_id, day
),

daily_sessions as (
    select
        tenant_id,
        day,
        count(*) as sessions,
        count(*) filter (where actions > 0) as converted_sessions,
        sum(duration_seconds) as engagement_seconds
    from sessions
    group by tenant_id, day
),

final as (
    select
        daily_events.tenant_id,
        daily_events.day,
        daily_events.active_users,
        coalesce(daily_sessions.sessions, 0) as sessions,
        coalesce(daily_sessions.converted_sessions, 0) as converted_sessions,
        coalesce(daily_sessions.engagement_seconds, 0) as engagement_seconds,
        daily_events.primary_actions,
        daily_events.payments,
        daily_events.refunds,
        daily_events.revenue,
        daily_events.new_subscribers,
        daily_events.lost_subscribers,
        daily_events.events,
        daily_events.app_errors,
        daily_events.test_events
    from daily_events
    left join daily_sessions
        on daily_events.tenant_id = daily_sessions.tenant_id and daily_events.day = daily_sessions.day
)

select
    tenant_id,
    day,
    active_users,
    sessions,
    converted_sessions,
    engagement_seconds,
    primary_actions,
    payments,
    refunds,
    revenue,
    new_subscribers,
    lost_subscribers,
    events,
    app_errors,
    test_events
from final
