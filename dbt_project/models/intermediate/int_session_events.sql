{%- set scope = {'column': 'activity_day', 'from': -1, 'to': 0} -%}
{{ config(meta={'scope': scope}, indexes=[{'columns': ['tenant_id', 'activity_day']}]) }}

with

events as (
    {{ events_in_scope(scope) }}
),

engagement as (
    select
        tenant_id,
        event_id,
        actor,
        activity_day,
        day,
        occurred_at,
        event_name,
        is_primary_action,
        lag(occurred_at) over (
            partition by tenant_id, actor, activity_day
            order by occurred_at asc, event_id collate "C" asc
        ) as previous_at
    from events
    where is_engagement and actor is not null
),

numbered as (
    select
        *,
        count(*) filter (where previous_at is null or occurred_at - previous_at > interval '30 minutes') over (
            partition by tenant_id, actor, activity_day
            order by occurred_at asc, event_id collate "C" asc
        ) as session_number
    from engagement
),

final as (
    select
        tenant_id,
        event_id,
        actor as user_id,
        activity_day,
        day,
        occurred_at,
        event_name,
        is_primary_action,
        first_value(event_id) over (
            partition by tenant_id, actor, activity_day, session_number
            order by occurred_at asc, event_id collate "C" asc
        ) as session_id,
        first_value(day) over (
            partition by tenant_id, actor, activity_day, session_number
            order by occurred_at asc, event_id collate "C" asc
        ) as session_day
    from numbered
)

select
    tenant_id,
    event_id,
    user_id,
    activity_day,
    day,
    occurred_at,
    event_name,
    is_primary_action,
    session_id,
    session_day
from final
