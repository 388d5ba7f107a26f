{%- set scope = {'users_of': ['fct_user_days']} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'cohort_day'}},
        indexes=[{'columns': ['tenant_id', 'cohort_day']}],
    )
}}

with

users as (
    {{ rows_in_scope(ref('dim_users'), scope) }}
),

final as (
    select
        tenant_id,
        user_id,
        first_active_day as cohort_day,
        {{ last_period_number("'day'", 'first_active_day', 'last_active_day') }} as last_day_number,
        {{ last_period_number("'week'", 'first_active_day', 'last_active_day') }} as last_week_number,
        {{ last_period_number("'month'", 'first_active_day', 'last_active_day') }} as last_month_number
    from users
    where first_active_day is not null
)

select
    tenant_id,
    user_id,
    cohort_day,
    last_day_number,
    last_week_number,
    last_month_number
from final
