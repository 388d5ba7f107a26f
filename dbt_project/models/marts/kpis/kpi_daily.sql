{%- set scope = {'column': 'day', 'days_of': 'kpi_daily_wide'} -%}
{{ config(meta={'scope': scope}) }}

with

tenants as (
    select * from {{ ref('stg_tenants') }}
),

custom_kpis as (
    select * from {{ source('tenancy', 'custom_kpis') }}
),

days as (
    {{ rows_in_scope(ref('kpi_daily_wide'), scope) }}
),

governed as (
    select
        days.tenant_id,
        days.day,
        metrics.metric,
        metrics.value::numeric(38, 6) as value,
        metrics.unit
    from days
    inner join tenants on days.tenant_id = tenants.tenant_id
    cross join lateral (
        values
        ('active_users', days.active_users::numeric, 'users'),
        ('weekly_active_users', days.weekly_active_users::numeric, 'users'),
        ('monthly_active_users', days.monthly_active_users::numeric, 'users'),
        ('stickiness', days.stickiness, 'ratio'),
        ('sessions', days.sessions::numeric, 'sessions'),
        ('converted_sessions', days.converted_sessions::numeric, 'sessions'),
        ('conversion', days.conversion, 'ratio'),
        ('engagement_seconds', days.engagement_seconds::numeric, 'seconds'),
        (
            tenants.primary_metric,
            coalesce(days.plays, days.orders, days.feature_uses, days.reads)::numeric,
            'count'
        ),
        ('payments', days.payments::numeric, 'count'),
        ('refunds', days.refunds::numeric, 'count'),
        ('revenue', days.revenue, tenants.currency),
        ('arpu', days.arpu, tenants.currency),
        ('new_subscribers', days.new_subscribers::numeric, 'users'),
        ('lost_subscribers', days.lost_subscribers::numeric, 'users'),
        ('events', days.events::numeric, 'count'),
        ('app_errors', days.app_errors::numeric, 'count'),
        ('error_rate', days.error_rate, 'ratio'),
        ('test_events', days.test_events::numeric, 'count')
    ) as metrics (metric, value, unit)
),

metrics_by_day as (
    select
        tenant_id,
        day,
        jsonb_object_agg(metric, value) as metrics
    from governed
    where tenant_id in (select custom_kpis.tenant_id from custom_kpis)
    group by tenant_id, day
),

custom as (
    select
        metrics_by_day.tenant_id,
        metrics_by_day.day,
        custom_kpis.name as metric,
        pipeline.custom_kpi(custom_kpis.operations, metrics_by_day.metrics)::numeric(38, 6) as value,
        custom_kpis.unit
    from metrics_by_day
    inner join custom_kpis on metrics_by_day.tenant_id = custom_kpis.tenant_id
),

final as (
    select * from governed
    union all
    select * from custom
)

select
    tenant_id,
    day,
    metric,
    value,
    unit
from final
