with

tenants as (
    select * from {{ source('tenancy', 'tenants') }}
),

final as (
    select
        tenant_id,
        name,
        kind,
        tier,
        status,
        region,
        time_zone,
        currency,
        plan,
        {{ primary_action('kind', 'event') }} as primary_event,
        {{ primary_action('kind', 'metric') }} as primary_metric
    from tenants
)

select
    tenant_id,
    name,
    kind,
    tier,
    status,
    region,
    time_zone,
    currency,
    plan,
    primary_event,
    primary_metric
from final
