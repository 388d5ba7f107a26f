{%- set scope = {'column': 'day', 'days_of': ['int_daily_measures', 'int_active_windows']} -%}
{{ config(meta={'scope': scope, 'tells': {'key': 'day'}}) }}

with

tenants as (
    select * from {{ ref('stg_tenants') }}
),

measures as (
    {{ rows_in_scope(ref('int_daily_measures'), scope) }}
),

windows as (
    {{ rows_in_scope(ref('int_active_windows'), scope) }}
),

final as (
    select
        measures.tenant_id,
        measures.day,
        measures.active_users,
        windows.weekly_active_users,
        windows.monthly_active_users,
        {{ ratio('measures.active_users', 'windows.monthly_active_users') }}::numeric(38, 6) as stickiness,
        measures.sessions,
        measures.converted_sessions,
        {{ ratio('measures.converted_sessions', 'measures.sessions') }}::numeric(38, 6) as conversion,
        measures.engagement_seconds,
        {%- for action in primary_actions().values() %}
        case tenants.primary_metric when '{{ action['metric'] }}' then measures.primary_actions end
            as {{ action['metric'] }},
        {%- endfor %}
        measures.payments,
        measures.refunds,
        measures.revenue,
        {{ ratio('measures.revenue', 'measures.active_users') }}::numeric(38, 6) as arpu,
        measures.new_subscribers,
        measures.lost_subscribers,
        measures.events,
        measures.app_errors,
        {{ ratio('measures.app_errors', 'measures.events') }}::numeric(38, 6) as error_rate,
        measures.test_events
    from measures
    inner join tenants on measures.tenant_id = tenants.tenant_id
    inner join windows on measures.tenant_id = windows.tenant_id and measures.day = windows.day
)

select
    tenant_id,
    day,
    active_users,
    weekly_active_users,
    monthly_active_users,
    stickiness,
    sessions,
    converted_sessions,
    conversion,
    engagement_seconds,
    plays,
    orders,
    feature_uses,
    reads,
    payments,
    refunds,
    revenue,
    arpu,
    new_subscribers,
    lost_subscribers,
    events,
    app_errors,
    error_rate,
    test_events
from final
