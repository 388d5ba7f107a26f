{%- set scope = {'column': 'month', 'grain': 'month', 'from': 0, 'to': 30} -%}
{{ config(meta={'scope': scope, 'tells': {'key': 'day'}}) }}

{#- States of a month's graph: where journeys start, its channels by number, and the two ends. -#}
{%- set most_channels = 8 -%}
{%- set start, converted, lost = 0, -1, -2 -%}

with

touches as (
    {{ rows_of_months(ref('int_touches'), scope) }}
),

journeys as (
    {{ rows_of_months(ref('int_conversion_touches'), scope) }}
),

converted_steps as (
    select
        tenant_id,
        date_trunc('month', day::timestamp)::date as month,
        day,
        conversion_id as journey,
        touch_id,
        touched_at,
        channel,
        {{ converted }} as ending
    from journeys
    where touch_id is not null
),

-- what no conversion of its month followed is one lost journey of its actor
lost_steps as (
    select
        touches.tenant_id,
        date_trunc('month', touches.day::timestamp)::date as month,
        touches.user_id as journey,
        touches.touch_id,
        touches.touched_at,
        touches.channel,
        {{ lost }} as ending
    from touches
    where
        touches.user_id is not null
        and not exists (
            select 1
            from converted_steps
            where
                converted_steps.tenant_id = touches.tenant_id
                and converted_steps.touch_id = touches.touch_id
                and converted_steps.month = date_trunc('month', touches.day::timestamp)::date
        )
),

steps as (
    select
        tenant_id,
        month,
        journey,
        touch_id,
        touched_at,
        channel,
        ending
    from converted_steps
    union all
    select
        tenant_id,
        month,
        journey,
        touch_id,
        touched_at,
        channel,
        ending
    from lost_steps
),

-- the rarest channels of a month share the last state
states as (
    select
        tenant_id,
        month,
        channel,
        least(
            row_number() over (partition by tenant_id, month order by count(*) desc, channel collate "C" asc),
            {{ most_channels }}
        )::integer as state
    from steps
    group by tenant_id, month, channel
),

numbered as (
    select
        steps.tenant_id,
        steps.month,
        steps.journey,
        steps.ending,
        steps.touch_id,
        steps.touched_at,
        states.state
    from steps
    inner join states
        on
            steps.tenant_id = states.tenant_id
            and steps.month = states.month
            and steps.channel = states.channel
),

ordered as (
    select
        tenant_id,
        month,
        ending,
        state,
        lag(state, 1, {{ start }}) over (
            partition by tenant_id, month, ending, journey order by touched_at asc, touch_id collate "C" asc
        ) as state_before,
        lead(state) over (
            partition by tenant_id, month, ending, journey order by touched_at asc, touch_id collate "C" asc
        ) is null as is_last
    from numbered
),

moves as (
    select
        tenant_id,
        month,
        state_before as origin,
        state as target
    from ordered
    union all
    select
        tenant_id,
        month,
        state as origin,
        ending as target
    from ordered
    where is_last
),

edges as (
    select
        tenant_id,
        month,
        origin,
        target,
        count(*)::numeric as moves
    from moves
    where origin <> target
    group by tenant_id, month, origin, target
),

removals as (
    select distinct
        tenant_id,
        month,
        state as removed
    from states
),

-- a copy of the graph without each of its channels: who came to it is lost
rerouted as (
    select
        edges.tenant_id,
        edges.month,
        removals.removed,
        edges.origin,
        case when edges.target = removals.removed then {{ lost }} else edges.target end as next_target,
        edges.moves
    from edges
    inner join removals on edges.tenant_id = removals.tenant_id and edges.month = removals.month
    where edges.origin <> removals.removed
),

graphs_0 as (
    select
        tenant_id,
        month,
        removed,
        origin,
        next_target as target,
        sum(moves) as moves
    from rerouted
    group by tenant_id, month, removed, origin, next_target
),

{% for state in range(1, most_channels + 1) -%}
{%- set graphs = 'graphs_' ~ (state - 1) -%}
-- whoever came to state {{ state }} goes on at once to where it leads
shares_{{ state }} as (
    select
        tenant_id,
        month,
        removed,
        target,
        moves / sum(moves) over (partition by tenant_id, month, removed) as share
    from {{ graphs }}
    where origin = {{ state }}
),

detours_{{ state }} as (
    select
        tenant_id,
        month,
        removed,
        origin,
        target,
        moves
    from {{ graphs }}
    where origin <> {{ state }} and target <> {{ state }}
    union all
    select
        arriving.tenant_id,
        arriving.month,
        arriving.removed,
        arriving.origin,
        shares.target,
        round(arriving.moves * shares.share, 20) as moves
    from {{ graphs }} as arriving
    inner join shares_{{ state }} as shares
        on
            arriving.tenant_id = shares.tenant_id
            and arriving.month = shares.month
            and arriving.removed = shares.removed
    where arriving.target = {{ state }} and arriving.origin <> shares.target
),

graphs_{{ state }} as (
    select
        tenant_id,
        month,
        removed,
        origin,
        target,
        sum(moves) as moves
    from detours_{{ state }}
    group by tenant_id, month, removed, origin, target
),

{% endfor -%}
chances as (
    select
        tenant_id,
        month,
        removed,
        coalesce(sum(moves) filter (where target = {{ converted }}), 0) / sum(moves) as chance
    from graphs_{{ most_channels }}
    group by tenant_id, month, removed
),

-- with all channels the chance is the share of the journeys that did convert
whole_chances as (
    select
        tenant_id,
        month,
        count(*) filter (where ending = {{ converted }})::numeric / count(*) as chance
    from ordered
    where is_last
    group by tenant_id, month
),

converted_channels as (
    select distinct
        tenant_id,
        month,
        day,
        channel
    from converted_steps
),

final as (
    select
        converted_channels.tenant_id,
        converted_channels.month,
        converted_channels.day,
        converted_channels.channel,
        round(1 - chances.chance / whole_chances.chance, 9)::numeric(10, 9) as removal_effect
    from converted_channels
    inner join states
        on
            converted_channels.tenant_id = states.tenant_id
            and converted_channels.month = states.month
            and converted_channels.channel = states.channel
    inner join chances
        on
            states.tenant_id = chances.tenant_id
            and states.month = chances.month
            and states.state = chances.removed
    inner join whole_chances
        on
            converted_channels.tenant_id = whole_chances.tenant_id
            and converted_channels.month = whole_chances.month
)

select
    tenant_id,
    month,
    day,
    channel,
    removal_effect
from final
