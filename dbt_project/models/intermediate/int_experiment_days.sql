{%- set scope = {'column': 'day', 'days_of': 'int_experiment_users'} -%}
{{ config(meta={'scope': scope}) }}

with

exposed as (
    {{ rows_in_scope(ref('int_experiment_users'), scope) }}
),

final as (
    select
        tenant_id,
        day,
        experiment,
        variant,
        count(*) as users,
        count(*) filter (where conversions > 0) as converted,
        sum(conversions)::bigint as conversions,
        sum(revenue)::numeric(38, 6) as revenue
    from exposed
    group by tenant_id, day, experiment, variant
)

select
    tenant_id,
    day,
    experiment,
    variant,
    users,
    converted,
    conversions,
    revenue
from final
