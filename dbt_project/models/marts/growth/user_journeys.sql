{%- set scope = {'column': 'day', 'from': -1, 'to': 1} -%}
{{ config(meta={'scope': scope}) }}

with

session_paths as (
    {{ rows_in_scope(ref('int_session_paths'), scope) }}
),

paths as (
    select
        tenant_id,
        day,
        path,
        steps,
        count(*) as sessions,
        count(distinct user_id) as users
    from session_paths
    group by tenant_id, day, path, steps
),

ranked as (
    select
        tenant_id,
        day,
        path,
        steps,
        sessions,
        users,
        row_number() over (partition by tenant_id, day order by sessions desc, path collate "C" asc) as place,
        sum(sessions) over (partition by tenant_id, day) as sessions_of_day
    from paths
),

final as (
    select
        tenant_id,
        day,
        place::integer as place,
        path,
        steps,
        sessions,
        users,
        round(sessions / sessions_of_day, 6)::numeric(38, 6) as share
    from ranked
    where place <= 20
)

select
    tenant_id,
    day,
    place,
    path,
    steps,
    sessions,
    users,
    share
from final
