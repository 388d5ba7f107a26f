{#- a day is in the seven days before each of the next seven, and is compared with its own seven before -#}
{%- set scope = {'column': 'day', 'from': 0, 'to': 7} -%}
{%- set compared = {'column': 'day', 'from': -7, 'to': 7} -%}
{{ config(meta={'scope': scope}) }}

with

content_days as (
    {{ rows_in_scope(ref('int_content_days'), compared) }}
),

{% if is_incremental() -%}
restated as (
    {{ restated_days(scope) }}
),

{% endif -%}
of_content as (
    select
        *,
        coalesce(sum(uses) over (
            partition by tenant_id, content_type, content_id
            order by day
            range between interval '7 days' preceding and interval '1 day' preceding
        ), 0) as uses_before
    from content_days
),

of_all as (
    select
        tenant_id,
        content_type,
        day,
        sum(uses) as all_uses,
        coalesce(sum(sum(uses)) over (
            partition by tenant_id, content_type
            order by day
            range between interval '7 days' preceding and interval '1 day' preceding
        ), 0) as all_uses_before
    from content_days
    group by tenant_id, content_type, day
),

final as (
    select
        of_content.tenant_id,
        of_content.day,
        of_content.content_type,
        of_content.content_id,
        of_content.events,
        of_content.uses,
        of_content.drops,
        of_content.completed,
        of_content.interrupted,
        round(
            of_content.completed::numeric / nullif(of_content.completed + of_content.interrupted, 0), 6
        )::numeric(7, 6) as completion_rate,
        of_content.seconds,
        of_content.using_users as users,
        {{ trend('of_content.uses', 'of_all.all_uses', 'of_content.uses_before', 'of_all.all_uses_before') }} as trend
    from of_content
    inner join of_all
        on
            of_content.tenant_id = of_all.tenant_id
            and of_content.content_type = of_all.content_type
            and of_content.day = of_all.day
    {%- if is_incremental() %}
    inner join restated on of_content.tenant_id = restated.tenant_id and of_content.day = restated.day
    {%- endif %}
)

select
    tenant_id,
    day,
    content_type,
    content_id,
    events,
    uses,
    drops,
    completed,
    interrupted,
    completion_rate,
    seconds,
    users,
    trend
from final
-- a dashboard reads many days of one tenant: side by side on the disk they lie on fewer pages
order by tenant_id, day
