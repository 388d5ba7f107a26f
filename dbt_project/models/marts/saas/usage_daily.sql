{%- set scope = {'column': 'day', 'from': 0, 'to': 0} -%}
{{ config(meta={'scope': scope}) }}

with

events as (
    {{ events_in_scope(scope) }}
),

measured as (
    select
        tenant_id,
        day,
        event_name,
        case when is_engagement then actor end as active_user,
        case when event_name = 'feature_used' then {{ text_property('properties', 'feature') }} end as feature,
        case when event_name = 'api_called' then {{ integer_property('properties', 'quantity') }} end as api_calls
    from events
),

final as (
    select
        tenant_id,
        day,
        count(*) as events,
        count(distinct active_user) as active_users,
        count(*) filter (where event_name = 'feature_used') as feature_uses,
        count(distinct feature) as features,
        coalesce(sum(api_calls), 0)::bigint as api_calls,
        count(*) filter (where event_name = 'report_exported') as reports_exported,
        count(*) filter (where event_name = 'support_ticket_opened') as support_tickets,
        count(*) filter (where event_name = 'app_error') as errors
    from measured
    group by tenant_id, day
)

select
    tenant_id,
    day,
    events,
    active_users,
    feature_uses,
    features,
    api_calls,
    reports_exported,
    support_tickets,
    errors
from final
