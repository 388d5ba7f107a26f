{%- set scope = {'column': 'activity_day', 'from': -1, 'to': 0} -%}
{{
    config(
        meta={'scope': scope},
        indexes=[{'columns': ['tenant_id', 'day']}],
    )
}}

with

session_events as (
    {{ rows_in_scope(ref('int_session_events'), scope) }}
),

final as (
    select
        tenant_id,
        session_id,
        user_id,
        session_day as day,
        activity_day,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        floor(extract(epoch from max(occurred_at) - min(occurred_at)))::integer as duration_seconds,
        count(*) as events,
        count(*) filter (where is_primary_action) as actions
    from session_events
    group by tenant_id, session_id, user_id, session_day, activity_day
)

select
    tenant_id,
    session_id,
    user_id,
    day,
    activity_day,
    started_at,
    ended_at,
    duration_seconds,
    events,
    actions
from final
