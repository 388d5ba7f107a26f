-- small: without a scope, and so restated as a whole
with

days as (
    select * from {{ ref('int_experiment_days') }}
),

variants as (
    select
        tenant_id,
        experiment,
        variant,
        min(day) as first_day,
        max(day) as last_day,
        sum(users)::bigint as users,
        sum(converted)::bigint as converted,
        sum(conversions)::bigint as conversions,
        sum(revenue)::numeric(38, 6) as revenue
    from days
    group by tenant_id, experiment, variant
),

-- the control is the variant of that name, else the first by name
controls as (
    select distinct on (tenant_id, experiment)
        tenant_id,
        experiment,
        variant,
        users,
        converted
    from variants
    order by tenant_id asc, experiment asc, variant = 'control' desc, variant collate "C" asc
),

expected as (
    select
        tenant_id,
        experiment,
        count(*) - 1 as degrees,
        sum(users) / count(*) as users
    from variants
    group by tenant_id, experiment
),

splits as (
    select
        variants.tenant_id,
        variants.experiment,
        expected.degrees,
        sum((variants.users - expected.users) ^ 2 / expected.users)::double precision as chi_square
    from variants
    inner join expected on variants.tenant_id = expected.tenant_id and variants.experiment = expected.experiment
    group by variants.tenant_id, variants.experiment, expected.degrees
),

guards as (
    select
        tenant_id,
        experiment,
        case when degrees > 0 then {{ chi_square_tail('chi_square', 'degrees') }} end as p_value
    from splits
),

rates as (
    select
        variants.tenant_id,
        variants.experiment,
        variants.variant,
        variants.users,
        variants.converted::double precision / variants.users as rate,
        controls.users as control_users,
        controls.converted::double precision / controls.users as control_rate,
        (variants.converted + controls.converted)::double precision
        / (variants.users + controls.users) as pooled_rate
    from variants
    inner join controls on variants.tenant_id = controls.tenant_id and variants.experiment = controls.experiment
    where variants.variant <> controls.variant
),

errors as (
    select
        *,
        rate - control_rate as lift,
        sqrt(rate * (1 - rate) / users + control_rate * (1 - control_rate) / control_users) as error,
        pooled_rate * (1 - pooled_rate) * (1.0 / users + 1.0 / control_users) as variance
    from rates
),

scores as (
    select
        *,
        case when variance > 0 then lift / sqrt(variance) else 0 end as z
    from errors
),

compared as (
    select
        tenant_id,
        experiment,
        variant,
        lift,
        lift - 1.959963984540054 * error as lift_low,
        lift + 1.959963984540054 * error as lift_high,
        rate / nullif(control_rate, 0) - 1 as relative_lift,
        2 * ({{ normal_tail('z') }}) as p_value,
        -- a mixture sequential probability ratio test: lifts normal around zero by 0.02 (squared), against none
        case
            when variance > 0
                then least(
                    sqrt((variance + 0.0004) / variance)
                    * exp(-least(z * z / 2 * 0.0004 / (variance + 0.0004), 700)),
                    1
                )
            else 1
        end as anytime_p_value
    from scores
),

final as (
    select
        variants.tenant_id,
        variants.experiment,
        variants.variant,
        compared.variant is null as is_control,
        variants.first_day,
        variants.last_day,
        variants.users,
        variants.converted,
        variants.conversions,
        variants.revenue,
        {{ six_decimals('variants.converted::numeric / variants.users') }} as conversion_rate,
        {{ six_decimals('variants.revenue / variants.users') }} as revenue_per_user,
        {{ six_decimals('compared.lift') }} as lift,
        {{ six_decimals('compared.lift_low') }} as lift_low,
        {{ six_decimals('compared.lift_high') }} as lift_high,
        {{ six_decimals('compared.relative_lift') }} as relative_lift,
        {{ six_decimals('compared.p_value') }} as p_value,
        {{ six_decimals('compared.anytime_p_value') }} as anytime_p_value,
        {{ six_decimals('guards.p_value') }} as sample_ratio_p_value,
        case
            when compared.variant is null then 'control'
            when guards.p_value < 0.001 then 'sample_ratio_mismatch'
            when compared.p_value >= 0.05 then 'undecided'
            when compared.lift > 0 then 'better'
            else 'worse'
        end as verdict
    from variants
    inner join guards on variants.tenant_id = guards.tenant_id and variants.experiment = guards.experiment
    left join compared
        on
            variants.tenant_id = compared.tenant_id
            and variants.experiment = compared.experiment
            and variants.variant = compared.variant
)

select
    tenant_id,
    experiment,
    variant,
    is_control,
    first_day,
    last_day,
    users,
    converted,
    conversions,
    revenue,
    conversion_rate,
    revenue_per_user,
    lift,
    lift_low,
    lift_high,
    relative_lift,
    p_value,
    anytime_p_value,
    sample_ratio_p_value,
    verdict
from final
