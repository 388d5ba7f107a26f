{#
    Probabilities out of PostgreSQL 14, which has no erf. Arguments are double precision columns: each is written
    several times. tests/transform/test_statistics.py compares them with Python's.
#}

{# P(Z > |z|) of the standard normal: Hart's rational function and a continued fraction (West 2005), to 14 digits. #}
{% macro normal_tail(z) -%}
    {%- set above = [
        '0.0352624965998911', '0.700383064443688', '6.37396220353165', '33.912866078383', '112.079291497871',
        '221.213596169931', '220.206867912376',
    ] -%}
    {%- set below = [
        '0.0883883476483184', '1.75566716318264', '16.064177579207', '86.7807322029461', '296.564248779674',
        '637.333633378831', '793.826512519948', '440.413735824752',
    ] -%}
    case
        when abs({{ z }}) > 37 then 0
        when abs({{ z }}) < 7 then exp(-{{ z }} * {{ z }} / 2) * {{ polynomial('abs(' ~ z ~ ')', above) }}
            / {{ polynomial('abs(' ~ z ~ ')', below) }}
        else exp(-{{ z }} * {{ z }} / 2) / 2.506628274631000502
            / (abs({{ z }}) + 1 / (abs({{ z }}) + 2 / (abs({{ z }}) + 3 / (abs({{ z }}) + 4 / (abs({{ z }}) + 0.65)))))
    end
{%- endmacro %}

{# By Horner's rule, the highest power first. #}
{% macro polynomial(x, coefficients) -%}
    {{ '(' * (coefficients | length - 1) }}{{ coefficients[0] }}
    {%- for coefficient in coefficients[1:] %} * {{ x }} + {{ coefficient }}){% endfor %}
{%- endmacro %}

{# P(Z < z). #}
{% macro normal_cdf(z) -%}
    case when {{ z }} > 0 then 1 - {{ normal_tail(z) }} else {{ normal_tail(z) }} end
{%- endmacro %}

{# The z with P(|Z| > z) = alpha, for alpha from 1e-10 to 0.15: Wichura's AS 241 (1988), the part for the tails. #}
{% macro two_sided_z(alpha) -%}
    {%- set above = [
        '0.000774545014278341407640', '0.0227238449892691845833', '0.241780725177450611770', '1.27045825245236838258',
        '3.64784832476320460504', '5.76949722146069140550', '4.63033784615654529590', '1.42343711074968357734',
    ] -%}
    {%- set below = [
        '0.00000000105075007164441684324', '0.000547593808499534494600', '0.0151986665636164571966',
        '0.148103976427480074590', '0.689767334985100004550', '1.67638483018380384940', '2.05319162663775882187', '1',
    ] -%}
    {%- set r = '(sqrt(-ln(' ~ alpha ~ ' / 2)) - 1.6)' -%}
    {{ polynomial(r, above) }} / {{ polynomial(r, below) }}
{%- endmacro %}

{#
    P(X > x) of chi-square with df degrees of freedom (bigint): that of one degree (or two, if df is even), and a term for
    each two more, (x/2)^a exp(-x/2) / gamma(a + 1), in logarithms, because either factor can leave the range.
#}
{% macro chi_square_tail(x, df) -%}
    case
        when {{ x }} = 0 then 1
        when {{ x }} > 0 then
            case
                when {{ df }} % 2 = 1 then 2 * ({{ normal_tail('sqrt(' ~ x ~ ')') }})
                else exp(-least({{ x }} / 2, 700))
            end + coalesce((
                select sum(exp(greatest(terms.logarithm, -700)))
                from (
                    select
                        sum(
                            case
                                when n > 0 then ln({{ x }} / (2 * n + 2 - {{ df }} % 2))
                                when {{ df }} % 2 = 1 then ln({{ x }} / 2) / 2 - {{ x }} / 2 - ln(sqrt(pi()) / 2)
                                else ln({{ x }} / 2) - {{ x }} / 2
                            end
                        ) over (order by n) as logarithm
                    from generate_series(0, ({{ df }} - 3) / 2) as n
                    where {{ df }} > 2
                ) as terms
            ), 0)
    end
{%- endmacro %}

{# As marts show what was calculated: the last digits of double precision are no news. #}
{% macro six_decimals(x) -%}
    round(({{ x }})::numeric, 6)::numeric(38, 6)
{%- endmacro %}
