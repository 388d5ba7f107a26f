{# What counts as what. Changing a line here changes the numbers: see DECISIONS.md. #}

{% macro is_engagement(event_type) -%}
    {{ event_type }} in ('user_action', 'page_view')
{%- endmacro %}

{# The one action that each kind of tenant lives from, and the name of its count. #}
{% macro primary_actions() %}
    {{ return({
        'music': {'event': 'track_play', 'metric': 'plays'},
        'shop': {'event': 'order_placed', 'metric': 'orders'},
        'saas': {'event': 'feature_used', 'metric': 'feature_uses'},
        'content': {'event': 'article_read', 'metric': 'reads'},
    }) }}
{% endmacro %}

{% macro primary_action(kind, what) -%}
    case {{ kind }}
    {%- for name, action in primary_actions().items() %}
        when '{{ name }}' then '{{ action[what] }}'
    {%- endfor %}
    end
{%- endmacro %}

{# What people play, buy and read: the event that uses it, and the one that drops it. #}
{% macro content_events() %}
    {{ return({
        'track': {'use': 'track_play', 'drop': 'track_skip'},
        'product': {'use': 'product_viewed', 'drop': 'cart_abandoned'},
        'article': {'use': 'article_read', 'drop': 'article_closed'},
    }) }}
{% endmacro %}

{% macro content_event(content_type, what) -%}
    case {{ content_type }}
    {%- for name, events in content_events().items() %}
        when '{{ name }}' then '{{ events[what] }}'
    {%- endfor %}
    end
{%- endmacro %}

{# Everything below works on the wall clock of the tenant: a timestamp without time zone. #}

{% macro local_time(occurred_at, time_zone) -%}
    ({{ occurred_at }} at time zone {{ time_zone }})
{%- endmacro %}

{% macro activity_day(local_time) -%}
    ({{ local_time }} - interval '4 hours')::date
{%- endmacro %}

{#
    A decimal number out of properties that may hold anything: null where there is none, never an error, because
    one bad amount would stop the build of every tenant. Twelve digits before the point keep any sum inside
    numeric(38, 6). `pg_input_is_valid` would say it shorter, from PostgreSQL 16 on.
#}
{% macro decimal_property(properties, name) -%}
    case
        when {{ properties }} ->> '{{ name }}' ~ '^[+-]?[0-9]{1,12}(\.[0-9]{1,20})?$'
            then round(({{ properties }} ->> '{{ name }}')::numeric, 6)
    end
{%- endmacro %}

{# Equals are told apart by the bytes of a text, the same on every server, and not by a language's order. #}
{% macro by_bytes(text) -%}
    {{ text }} collate "C"
{%- endmacro %}

{# A text of 1 to 100 characters, as the contracts have names and ids: more would not fit a key's index. #}
{% macro text_property(properties, name) -%}
    case
        when
            jsonb_typeof({{ properties }} -> '{{ name }}') = 'string'
            and length({{ properties }} ->> '{{ name }}') between 1 and 100
            then {{ properties }} ->> '{{ name }}'
    end
{%- endmacro %}

{# A count or a duration: a whole number of at most nine digits, so that any sum is a bigint. #}
{% macro integer_property(properties, name) -%}
    case
        when {{ properties }} ->> '{{ name }}' ~ '^[0-9]{1,9}$'
            then ({{ properties }} ->> '{{ name }}')::bigint
    end
{%- endmacro %}

{#
    How a share moved, between -1 and 1: share s now and b before say (s - b) / (s + b), here without their divisions.
    0 where nothing can be compared: neither now nor before, or all else was nothing.
#}
{% macro trend(part, whole, part_before, whole_before) -%}
    round(coalesce(
        ({{ part }} * {{ whole_before }} - {{ part_before }} * {{ whole }})
        / nullif({{ part }} * {{ whole_before }} + {{ part_before }} * {{ whole }}, 0),
        0
    ), 6)::numeric(7, 6)
{%- endmacro %}

{# The last day on which each tenant has a served event: its today. #}
{% macro latest_served_days() %}
    select
        tenants.tenant_id,
        latest.day
    from {{ ref('stg_tenants') }} as tenants
    cross join lateral (
        select kpis.day
        from {{ ref('kpi_daily_wide') }} as kpis
        where kpis.tenant_id = tenants.tenant_id and kpis.events > 0
        order by kpis.day desc
        limit 1
    ) as latest
{% endmacro %}

{# A share or an average: empty where there is nothing to divide by. Twenty digits keep it from being rounded twice. #}
{% macro ratio(part, whole) -%}
    round(round({{ part }}::numeric, 20) / nullif({{ whole }}, 0), 6)
{%- endmacro %}
