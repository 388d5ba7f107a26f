{#- What a sequential test looks for: lifts that are normal around zero by 0.02, here squared. -#}
{%- set effects = '0.0004' -%}
-- small: without a scope, and so restated as a whole
with

days as (
    select * from {{ ref('int_experiment_days') }}
),

experiments as (
    select * from {{ ref('int_experiments') }}
),

latest as (
    {{ latest_served_days() }}
),

-- a fixed horizon counts who was exposed by its planned end
variants as (
    select
        days.tenant_id,
        days.experiment,
        days.variant,
        min(days.day) as first_day,
        max(days.day) as last_day,
        sum(days.users)::bigint as users,
        sum(days.converted)::bigint as converted,
        sum(days.conversions)::bigint as conversions,
        sum(days.revenue)::numeric(38, 6) as revenue
    from days
    left join experiments on days.tenant_id = experiments.tenant_id and days.experiment = experiments.experiment
    where experiments.planned_end is null or days.day <= experiments.planned_end
    group by days.tenant_id, days.experiment, days.variant
),

-- what is asked of each variant; without a declaration: what anybody would, of all that were seen
asked as (
    select
        variants.*,
        coalesce(experiments.analysis, 'undeclared') as analysis,
        coalesce(experiments.alpha, 0.05) as alpha,
        coalesce(experiments.minimum_users, 1) as minimum_users,
        experiments.control,
        experiments.split is null or experiments.split -> variants.variant is not null as is_planned,
        -- the last of them were exposed late on the planned end, and have their window still
        experiments.planned_end + 1 + ceil(experiments.window_hours / 24.0)::integer as told_from
    from variants
    left join experiments
        on variants.tenant_id = experiments.tenant_id and variants.experiment = experiments.experiment
),

-- the control that is declared, else the variant of that name, else the first by name
controls as (
    select distinct on (tenant_id, experiment)
        tenant_id,
        experiment,
        variant,
        users,
        converted
    from asked
    where variant = coalesce(control, variant)
    order by tenant_id asc, experiment asc, variant = 'control' desc, {{ by_bytes('variant') }} asc
),

-- a planned variant that nobody was exposed to is part of the split, too
shares as (
    select
        experiments.tenant_id,
        experiments.experiment,
        coalesce(asked.users, 0) as users,
        planned.share::numeric as share
    from experiments
    cross join lateral jsonb_each_text(experiments.split) as planned (variant, share)
    left join asked
        on
            experiments.tenant_id = asked.tenant_id
            and experiments.experiment = asked.experiment
            and planned.variant = asked.variant
    union all
    select
        tenant_id,
        experiment,
        users,
        null as share
    from asked
    where analysis = 'undeclared'
),

expected as (
    select
        tenant_id,
        experiment,
        users,
        coalesce(share * sum(users) over split, sum(users) over split / count(*) over split) as expected_users
    from shares
    window split as (partition by tenant_id, experiment)
),

splits as (
    select
        tenant_id,
        experiment,
        count(*) - 1 as degrees,
        sum((users - expected_users) ^ 2 / nullif(expected_users, 0))::double precision as chi_square
    from expected
    group by tenant_id, experiment
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
        asked.tenant_id,
        asked.experiment,
        asked.variant,
        asked.analysis,
        asked.alpha,
        asked.users,
        asked.converted::double precision / asked.users as rate,
        controls.users as control_users,
        controls.converted::double precision / controls.users as control_rate,
        (asked.converted + controls.converted)::double precision / (asked.users + controls.users) as pooled_rate,
        least(asked.users, controls.users) >= asked.minimum_users as is_enough,
        coalesce(latest.day >= asked.told_from, asked.told_from is null) as is_over
    from asked
    inner join controls on asked.tenant_id = controls.tenant_id and asked.experiment = controls.experiment
    left join latest on asked.tenant_id = latest.tenant_id
    where asked.variant <> controls.variant and asked.is_planned
),

errors as (
    select
        *,
        rate - control_rate as lift,
        rate * (1 - rate) / users + control_rate * (1 - control_rate) / control_users as own_variance,
        pooled_rate * (1 - pooled_rate) * (1.0 / users + 1.0 / control_users) as variance
    from rates
),

scores as (
    select
        *,
        case when variance > 0 then lift / sqrt(variance) else 0 end as z,
        greatest(variance, own_variance) as wide
    from errors
),

-- a mixture sequential probability ratio test, and the lifts that it does not reject
tests as (
    select
        *,
        2 * ({{ normal_tail('z') }}) as fixed_p_value,
        ({{ two_sided_z('alpha') }}) * sqrt(own_variance) as fixed_margin,
        case
            when variance > 0
                then least(
                    sqrt((wide + {{ effects }}) / wide)
                    * exp(-least(lift * lift / 2 / wide * {{ effects }} / (wide + {{ effects }}), 700)),
                    1
                )
            else 1
        end as anytime_p_value,
        case
            when variance > 0
                then sqrt(
                    wide * (wide + {{ effects }}) / {{ effects }}
                    * (ln((wide + {{ effects }}) / wide) - 2 * ln(alpha))
                )
        end as anytime_margin
    from scores
),

compared as (
    select
        tenant_id,
        experiment,
        variant,
        is_over,
        is_enough,
        lift,
        rate / nullif(control_rate, 0) - 1 as relative_lift,
        case
            when is_over and is_enough
                then case analysis when 'sequential' then anytime_p_value else fixed_p_value end
        end as p_value,
        case when analysis = 'undeclared' then anytime_p_value end as anytime_p_value,
        -- where nobody converted, or everybody, nothing says how far chance goes
        case
            when is_over and is_enough and variance > 0
                then case analysis when 'sequential' then anytime_margin else fixed_margin end
        end as margin
    from tests
),

final as (
    select
        asked.tenant_id,
        asked.experiment,
        asked.variant,
        asked.analysis,
        asked.alpha::numeric(38, 6) as alpha,
        asked.told_from,
        controls.variant is not null as is_control,
        asked.first_day,
        asked.last_day,
        asked.users,
        asked.converted,
        asked.conversions,
        asked.revenue,
        {{ six_decimals('asked.converted::numeric / asked.users') }} as conversion_rate,
        {{ six_decimals('asked.revenue / asked.users') }} as revenue_per_user,
        {{ six_decimals('compared.lift') }} as lift,
        {{ six_decimals('compared.lift - compared.margin') }} as lift_low,
        {{ six_decimals('compared.lift + compared.margin') }} as lift_high,
        {{ six_decimals('compared.relative_lift') }} as relative_lift,
        {{ six_decimals('compared.p_value') }} as p_value,
        {{ six_decimals('compared.anytime_p_value') }} as anytime_p_value,
        {{ six_decimals('guards.p_value') }} as sample_ratio_p_value,
        case
            when controls.variant is not null then 'control'
            when not asked.is_planned then 'not_planned'
            when guards.p_value < 0.001 then 'sample_ratio_mismatch'
            when not compared.is_over then 'running'
            when compared.is_enough is not true then 'too_few_users'
            when compared.p_value >= asked.alpha then 'undecided'
            when compared.lift > 0 then 'better'
            else 'worse'
        end as verdict
    from asked
    inner join guards on asked.tenant_id = guards.tenant_id and asked.experiment = guards.experiment
    left join controls
        on
            asked.tenant_id = controls.tenant_id
            and asked.experiment = controls.experiment
            and asked.variant = controls.variant
    left join compared
        on
            asked.tenant_id = compared.tenant_id
            and asked.experiment = compared.experiment
            and asked.variant = compared.variant
)

select
    tenant_id,
    experiment,
    variant,
    analysis,
    alpha,
    told_from,
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
