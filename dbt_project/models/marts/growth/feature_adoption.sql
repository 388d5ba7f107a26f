{%- set scope = {'column': 'week', 'grain': 'week', 'from': 0, 'to': 0} -%}
{{ config(meta={'scope': scope}) }}

with

feature_days as (
    {{ rows_in_periods(ref('int_feature_days'), scope, day='day') }}
),

features as (
    select
        tenant_id,
        period as week,
        feature,
        count(distinct user_id) as users,
        sum(uses) as uses
    from feature_days
    where granularity = 'week'
    group by tenant_id, period, feature
),

weeks as (
    select
        tenant_id,
        period as week,
        active_users
    from {{ ref('lifecycle') }}
    where granularity = 'week'
),

final as (
    select
        features.tenant_id,
        features.week,
        features.feature,
        features.users,
        features.uses::bigint as uses,
        weeks.active_users,
        round(features.users::numeric / weeks.active_users, 6)::numeric(38, 6) as adoption
    from features
    inner join weeks on features.tenant_id = weeks.tenant_id and features.week = weeks.week
)

select
    tenant_id,
    week,
    feature,
    users,
    uses,
    active_users,
    adoption
from final
