{%- set scope = {'column': 'day', 'from': -1, 'to': 1} -%}
{{ config(meta={'scope': scope}) }}

with

tenants as (
    select * from {{ ref('stg_tenants') }}
),

events as (
    {{ events_in_scope(scope) }}
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
        coalesce(sum(revenue), 0) as revenue,
        count(*) filter (where event_name = 'subscription_started') as new_subscribers,
        count(*) filter (where event_name = 'subscription_cancelled') as lost_subscribers
    from events
    group by tenant_id, day
),

daily_sessions as (
    select
        tenant_id,
        day,
        count(*) as sessions,
        sum(duration_seconds) as engagement_seconds
    from sessions
    group by tenant_id, day
),

final as (
    select
        daily_events.tenant_id,
        daily_events.day,
        metrics.metric,
        metrics.value::numeric(38, 6) as value,
        metrics.unit
    from daily_events
    inner join tenants on daily_events.tenant_id = tenants.tenant_id
    left join daily_sessions
        on daily_events.tenant_id = daily_sessions.tenant_id and daily_events.day = daily_sessions.day
    cross join lateral (
        values
        ('active_users', daily_events.active_users::numeric, 'users'),
        ('sessions', coalesce(daily_sessions.sessions, 0)::numeric, 'sessions'),
        ('engagement_seconds', coalesce(daily_sessions.engagement_seconds, 0)::numeric, 'seconds'),
        (tenants.primary_metric, daily_events.primary_actions::numeric, 'count'),
        ('revenue', daily_events.revenue, tenants.currency),
        ('new_subscribers', daily_events.new_subscribers::numeric, 'users'),
        ('lost_subscribers', daily_events.lost_subscribers::numeric, 'users')
    ) as metrics (metric, value, unit)
)

select
    tenant_id,
    day,
    metric,
    value,
    unit
from final
