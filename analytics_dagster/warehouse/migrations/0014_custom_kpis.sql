-- The KPIs that tenants declare in their configuration, and how the marts compute them.

-- Written with the tenant's registration. The operations are the expression in postfix order, checked and compiled:
-- `payments / (sessions + 1)` is ["payments", "sessions", "1", "+", "/"].
create table tenancy.custom_kpis (
    tenant_id text not null references tenancy.tenants,
    name text not null,
    expression text not null,
    operations jsonb not null,
    unit text not null,
    description text not null,
    primary key (tenant_id, name)
);

-- The value of an expression over a day's metrics, {"payments": 3, "sessions": 7}: no text of a tenant is ever SQL.
-- Numbers are kept as fractions, so that nothing is rounded but the result: half away from zero, to six decimals.
-- Null where a metric is null, where something is divided by zero, and where numeric(38, 6) cannot hold the result.
create function pipeline.custom_kpi(operations jsonb, metrics jsonb) returns numeric
language plpgsql immutable parallel safe as $$
declare
    operation text;
    numerators numeric[] := '{}';
    denominators numeric[] := '{}';
    depth integer := 0;
    n numeric;
    d numeric;
begin
    for operation in select word from jsonb_array_elements_text(operations) with ordinality as o (word, place)
        order by place
    loop
        if operation not in ('+', '-', '*', '/') then
            n := case when operation ~ '^[0-9]' then operation::numeric else (metrics ->> operation)::numeric end;
            if n is null then
                return null;
            end if;
            depth := depth + 1;
            numerators[depth] := n;
            denominators[depth] := 1;
            continue;
        end if;
        n := numerators[depth];
        d := denominators[depth];
        depth := depth - 1;
        if operation = '*' then
            numerators[depth] := numerators[depth] * n;
            denominators[depth] := denominators[depth] * d;
        elsif operation = '/' then
            if n = 0 then
                return null;
            end if;
            numerators[depth] := numerators[depth] * d;
            denominators[depth] := denominators[depth] * n;
        else
            n := n * denominators[depth];
            numerators[depth] := numerators[depth] * d + case operation when '+' then n else -n end;
            denominators[depth] := denominators[depth] * d;
        end if;
    end loop;
    n := numerators[1] * 1000000;
    d := denominators[1];
    n := sign(n) * sign(d) * div(2 * abs(n) + abs(d), 2 * abs(d)) * 0.000001;
    return case when abs(n) < 1e32 then n end;
end
$$;
