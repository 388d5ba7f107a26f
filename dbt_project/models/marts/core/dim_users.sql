{%- set scope = {'users_of': ['fct_user_days', 'int_identity_days']} -%}
{{
    config(
        meta={'scope': scope, 'tells': {'key': 'user_id', 'of': ['first_day', 'first_active_day']}},
        indexes=[{'columns': ['tenant_id', 'first_day']}],
    )
}}

with

user_days as (
    {{ rows_in_scope(ref('fct_user_days'), scope) }}
),

links as (
    {{ rows_in_scope(ref('int_identity_days'), scope, user='anonymous_id') }}
),

first_links as (
    select distinct on (tenant_id, anonymous_id)
        tenant_id,
        anonymous_id,
        user_id
    from links
    order by tenant_id asc, anonymous_id asc, linked_at asc, user_id collate "C" asc
),

users as (
    select
        tenant_id,
        user_id,
        bool_or(is_known) as is_known,
        min(day) as first_day,
        max(day) as last_day,
        min(day) filter (where events > 0) as first_active_day,
        max(day) filter (where events > 0) as last_active_day,
        count(*) filter (where events > 0) as active_days,
        sum(sessions)::bigint as sessions,
        sum(actions)::bigint as actions,
        sum(payments)::bigint as payments,
        sum(revenue)::numeric(38, 6) as revenue
    from user_days
    group by tenant_id, user_id
),

final as (
    select
        users.tenant_id,
        users.user_id,
        case when users.is_known then users.user_id else coalesce(first_links.user_id, users.user_id) end as person_id,
        users.is_known,
        users.first_day,
        users.last_day,
        users.first_active_day,
        users.last_active_day,
        users.active_days,
        users.sessions,
        users.actions,
        users.payments,
        users.revenue
    from users
    left join first_links
        on users.tenant_id = first_links.tenant_id and users.user_id = first_links.anonymous_id
)

select
    tenant_id,
    user_id,
    person_id,
    is_known,
    first_day,
    last_day,
    first_active_day,
    last_active_day,
    active_days,
    sessions,
    actions,
    payments,
    revenue
from final
