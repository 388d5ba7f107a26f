{#- A window of at most seven days, which a change of the clocks or a skipped date can carry into an eighth. -#}
{%- set scope = {'column': 'day', 'from': -8, 'to': 0} -%}
{%- set most_steps = 6 -%}
{{ config(meta={'scope': scope}) }}

with

funnels as (
    select * from {{ ref('int_funnels') }}
),

funnel_events as (
    {{ rows_in_scope(ref('int_funnel_events'), scope) }}
),

reached_1 as (
    select distinct on (funnel_events.tenant_id, funnel_events.funnel, funnel_events.user_id, funnel_events.day)
        funnel_events.tenant_id,
        funnel_events.funnel,
        funnel_events.user_id,
        funnel_events.day,
        funnel_events.breakdown,
        funnel_events.occurred_at as started_at,
        funnel_events.occurred_at + make_interval(hours => funnels.window_hours) as ends_at,
        funnel_events.occurred_at as reached_at,
        funnel_events.event_id
    from funnel_events
    inner join funnels
        on
            funnel_events.tenant_id = funnels.tenant_id
            and funnel_events.funnel = funnels.funnel
            and funnel_events.step = funnels.step
    where funnel_events.step = 1
    order by
        funnel_events.tenant_id asc,
        funnel_events.funnel asc,
        funnel_events.user_id asc,
        funnel_events.day asc,
        funnel_events.occurred_at asc,
        {{ by_bytes('funnel_events.event_id') }} asc
),
{% for step in range(2, most_steps + 1) %}
reached_{{ step }} as (
    select
        so_far.tenant_id,
        so_far.funnel,
        so_far.user_id,
        so_far.day,
        so_far.breakdown,
        so_far.started_at,
        so_far.ends_at,
        further.occurred_at as reached_at,
        further.event_id
    from reached_{{ step - 1 }} as so_far
    cross join lateral (
        select
            later.occurred_at,
            later.event_id
        from {{ ref('int_funnel_events') }} as later
        where
            later.tenant_id = so_far.tenant_id
            and later.funnel = so_far.funnel
            and later.user_id = so_far.user_id
            and later.step = {{ step }}
            and later.occurred_at between so_far.reached_at and so_far.ends_at
            and (later.occurred_at > so_far.reached_at or {{ by_bytes('later.event_id') }} > so_far.event_id)
        order by later.occurred_at asc, {{ by_bytes('later.event_id') }} asc
        limit 1
    ) as further
),
{% endfor %}
reached as (
    {%- for step in range(1, most_steps + 1) %}
    select
        tenant_id,
        day,
        funnel,
        breakdown,
        {{ step }} as step,
        floor(extract(epoch from reached_at - started_at))::double precision as seconds_taken
    from reached_{{ step }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

counted as (
    select
        tenant_id,
        day,
        funnel,
        breakdown,
        step,
        count(*) as users,
        percentile_cont(0.5) within group (order by seconds_taken asc) as median_seconds
    from reached
    group by tenant_id, day, funnel, breakdown, step
),

final as (
    select
        started.tenant_id,
        started.day,
        started.funnel,
        started.breakdown,
        funnels.step,
        funnels.event_name,
        coalesce(counted.users, 0) as users,
        round(coalesce(counted.users, 0)::numeric / started.users, 6)::numeric(38, 6) as conversion,
        counted.median_seconds::numeric(38, 6) as median_seconds
    from counted as started
    inner join funnels on started.tenant_id = funnels.tenant_id and started.funnel = funnels.funnel
    left join counted
        on
            started.tenant_id = counted.tenant_id
            and started.day = counted.day
            and started.funnel = counted.funnel
            and started.breakdown = counted.breakdown
            and funnels.step = counted.step
    where started.step = 1
)

select
    tenant_id,
    day,
    funnel,
    breakdown,
    step,
    event_name,
    users,
    conversion,
    median_seconds
from final
