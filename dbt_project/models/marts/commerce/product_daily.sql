{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{ config(meta={'scope': scope}) }}

with

content_days as (
    {{ rows_in_scope(ref('int_content_days'), scope) }}
),

final as (
    select
        tenant_id,
        day,
        content_id as product_id,
        uses as views,
        cart_changes,
        drops as cart_abandons,
        using_users as viewers,
        users
    from content_days
    where content_type = 'product'
)

select
    tenant_id,
    day,
    product_id,
    views,
    cart_changes,
    cart_abandons,
    viewers,
    users
from final
