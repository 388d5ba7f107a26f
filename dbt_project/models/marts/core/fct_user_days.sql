{%- set scope = {'column': 'day', 'from': -1, 'to': 1} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'user_id'}},
        indexes=[
            {
                'columns': [
                    'tenant_id', 'user_id', 'day', 'is_known', 'events', 'sessions', 'actions', 'payments', 'revenue',
                ],
            },
        ],
    )
}}

with

events as (
    {{ events_in_scope(scope) }}
),

sessions as (
    {{ rows_in_scope(ref('fct_sessions'), scope) }}
),

events_by_user as (
    select
        tenant_id,
        actor as user_id,
        day,
        bool_or(user_id is not null) as is_known,
        count(*) filter (where is_engagement) as events,
        count(*) filter (where is_primary_action) as actions,
        count(*) filter (where event_name = 'payment_succeeded') as payments,
        coalesce(sum(revenue), 0)::numeric(38, 6) as revenue,
        count(*) filter (where event_name = 'subscription_started') as subscriptions_started,
        count(*) filter (where event_name = 'subscription_cancelled') as subscriptions_cancelled
    from events
    where actor is not null
    group by tenant_id, actor, day
),

sessions_by_user as (
    select
        tenant_id,
        user_id,
        day,
        count(*) as sessions,
        sum(duration_seconds) as engagement_seconds
    from sessions
    group by tenant_id, user_id, day
),

final as (
    select
        events_by_user.tenant_id,
        events_by_user.user_id,
        events_by_user.day,
        events_by_user.is_known,
        events_by_user.events,
        coalesce(sessions_by_user.sessions, 0) as sessions,
        coalesce(sessions_by_user.engagement_seconds, 0) as engagement_seconds,
        events_by_user.actions,
        events_by_user.payments,
        events_by_user.revenue,
        events_by_user.subscriptions_started,
        events_by_user.subscriptions_cancelled
    from events_by_user
    left join sessions_by_user
        on
            events_by_user.tenant_id = sessions_by_user.tenant_id
            and events_by_user.user_id = sessions_by_user.user_id
            and events_by_user.day = sessions_by_user.day
)

select
    tenant_id,
    user_id,
    day,
    is_known,
    events,
    sessions,
    engagement_seconds,
    actions,
    payments,
    revenue,
    subscriptions_started,
    subscriptions_cancelled
from final
