{{ config(meta={'dagster': {'ref': {'name': 'kpi_daily_wide'}}}) }}

-- Each governed metric has the same value in either form, and a column for each metric is a row for each metric.
with

wide as (
    select * from {{ ref('kpi_daily_wide') }}
    {{ only_proven_days(reach=29) }}
),

long as (
    select * from {{ ref('kpi_daily') }}
    {{ only_proven_days(reach=29) }}
),

custom_kpis as (
    select * from {{ source('tenancy', 'custom_kpis') }}
),

cells as (
    select
        wide.tenant_id,
        wide.day,
        named.metric,
        named.value::numeric as value
    from wide
    cross join lateral jsonb_each_text(to_jsonb(wide) - 'tenant_id' - 'day') as named (metric, value)
    where named.value is not null
),

governed as (
    select
        long.tenant_id,
        long.day,
        long.metric,
        long.value
    from long
    left join custom_kpis on long.tenant_id = custom_kpis.tenant_id and long.metric = custom_kpis.name
    where long.value is not null and custom_kpis.name is null
),

final as (
    (
        select * from cells
        except
        select * from governed
    )
    union all
    (
        select * from governed
        except
        select * from cells
    )
)

select
    tenant_id,
    day,
    metric,
    value
from final
