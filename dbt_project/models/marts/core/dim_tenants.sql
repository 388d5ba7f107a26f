with

tenants as (
    select * from {{ ref('stg_tenants') }}
),

final as (
    select
        tenant_id,
        name,
        kind,
        tier,
        region,
        time_zone,
        currency,
        plan
    from tenants
)

select
    tenant_id,
    name,
    kind,
    tier,
    region,
    time_zone,
    currency,
    plan
from final
