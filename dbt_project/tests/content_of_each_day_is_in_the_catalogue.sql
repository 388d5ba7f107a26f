{{ config(meta={'dagster': {'ref': {'name': 'dim_content'}}}) }}

-- What a day names is in the catalogue, and the day lies between its first and its last.
with

content_days as (
    select * from {{ ref('content_daily') }}
    {{ only_proven_days() }}
),

catalogue as (
    select * from {{ ref('dim_content') }}
),

final as (
    select
        content_days.tenant_id,
        content_days.content_type,
        content_days.content_id,
        content_days.day
    from content_days
    left join catalogue
        on
            content_days.tenant_id = catalogue.tenant_id
            and content_days.content_id = catalogue.content_id
            and content_days.content_type = catalogue.content_type
            and content_days.day between catalogue.first_day and catalogue.last_day
    where catalogue.tenant_id is null
)

select
    tenant_id,
    content_type,
    content_id,
    day
from final
