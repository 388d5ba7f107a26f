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

{# A text of 1 to 100 characters, as the contracts have names and ids: more would not fit a key's index. #}
{% macro text_property(properties, name) -%}
    case
        when
            jsonb_typeof({{ properties }} -> '{{ name }}') = 'string'
            and length({{ properties }} ->> '{{ name }}') between 1 and 100
            then {{ properties }} ->> '{{ name }}'
    end
{%- endmacro %}
