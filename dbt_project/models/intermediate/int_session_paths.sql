{%- set scope = {'column': 'activity_day', 'from': -1, 'to': 0} -%}
{{
    config(
        meta={'scope': scope},
        indexes=[{'columns': ['tenant_id', 'activity_day']}, {'columns': ['tenant_id', 'day']}],
    )
}}

with

session_events as (
    {{ rows_in_scope(ref('int_session_events'), scope) }}
),

events_and_previous as (
    select
        tenant_id,
        session_id,
        user_id,
        activity_day,
        session_day,
        occurred_at,
        event_id,
        event_name,
        lag(event_name) over (
            partition by tenant_id, session_id
            order by occurred_at asc, event_id collate "C" asc
        ) as previous_name
    from session_events
),

numbered as (
    select
        tenant_id,
        session_id,
        user_id,
        activity_day,
        session_day,
        event_name,
        row_number() over (
            partition by tenant_id, session_id
            order by occurred_at asc, event_id collate "C" asc
        ) as step
    from events_and_previous
    where previous_name is null or event_name <> previous_name
),

final as (
    select
        tenant_id,
        session_id,
        user_id,
        activity_day,
        session_day as day,
        string_agg(event_name, ' > ' order by step asc) as path,
        count(*)::integer as steps
    from numbered
    where step <= 4
    group by tenant_id, session_id, user_id, activity_day, session_day
)

select
    tenant_id,
    session_id,
    user_id,
    activity_day,
    day,
    path,
    steps
from final
