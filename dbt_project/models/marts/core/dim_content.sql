{%- set scope = {'keys_of': ['int_content_days'], 'key': 'content_id'} -%}
{{ config(meta={'scope': scope}) }}

with

content_days as (
    select * from {{ ref('int_content_days') }}
),

{% if is_incremental() -%}
-- two looks into the index for each id that a build touches, however many days it was used on
restated as (
    {{ restated_users(scope) }}
),

final as (
    select
        restated.tenant_id,
        known.content_type,
        restated.content_id,
        seen.first_day,
        seen.last_day
    from restated
    cross join (values ('track'), ('product'), ('article')) as known (content_type)
    cross join
        lateral (
            select
                min(content_days.day) as first_day,
                max(content_days.day) as last_day
            from content_days
            where
                content_days.tenant_id = restated.tenant_id
                and content_days.content_id = restated.content_id
                and content_days.content_type = known.content_type
        ) as seen
    where seen.first_day is not null
)
{%- else -%}
final as (
    select
        tenant_id,
        content_type,
        content_id,
        min(day) as first_day,
        max(day) as last_day
    from content_days
    group by tenant_id, content_type, content_id
)
{%- endif %}

select
    tenant_id,
    content_type,
    content_id,
    first_day,
    last_day
from final
