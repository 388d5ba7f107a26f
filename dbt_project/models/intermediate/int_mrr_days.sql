{%- set scope = {'column': 'day', 'days_of': 'int_mrr_changes'} -%}
{{ config(meta={'scope': scope}) }}

with

changes as (
    {{ rows_in_scope(ref('int_mrr_changes'), scope) }}
),

final as (
    select
        tenant_id,
        day,
        movement,
        sum(mrr_after - mrr_before)::numeric(38, 6) as mrr,
        count(*) as subscribers
    from changes
    group by tenant_id, day, movement
)

select
    tenant_id,
    day,
    movement,
    mrr,
    subscribers
from final
