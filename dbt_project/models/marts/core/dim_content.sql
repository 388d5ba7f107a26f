{%- set scope = {'keys_of': ['int_content_days'], 'key': 'content_id'} -%}
{{ config(meta={'scope': scope}) }}

with

content_days as (
    {{ rows_in_scope(ref('int_content_days'), scope) }}
),

final as (
    select
        tenant_id,
        content_type,
        content_id,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as days,
        sum(events)::bigint as events,
        sum(uses)::bigint as uses
    from content_days
    group by tenant_id, content_type, content_id
)

select
    tenant_id,
    content_type,
    content_id,
    first_day,
    last_day,
    days,
    events,
    uses
from final
