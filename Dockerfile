# syntax=docker/dockerfile:1
# One image for every service of docker-compose.yml; the command decides which one it is. No secrets inside.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
# the packages change less often than the code, so they are a layer of their own
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY analytics_dagster ./analytics_dagster
RUN pip install --no-deps --no-build-isolation -e .
# the lock also holds the tools of development
COPY scripts/uninstall_dev.py ./scripts/
RUN python scripts/uninstall_dev.py
# the dbt project is parsed once, here, and not again by every container
COPY dbt_project ./dbt_project
RUN ANALYTICS_HOME=/app ANALYTICS_STATE_DIR=/var/lib/analytics DBT_SEND_ANONYMOUS_USAGE_STATS=false python -c \
    "from analytics_dagster import settings, transform; transform.ensure_manifest(settings.load_settings())"

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 analytics \
    && install -d -o analytics -g analytics /var/lib/analytics /var/lib/analytics/landing \
        /var/lib/analytics/reports /var/lib/analytics/data_docs /var/lib/analytics/mlflow /var/lib/analytics/dagster
COPY --from=build /opt/venv /opt/venv
COPY --from=build --chown=analytics:analytics /var/lib/analytics/dbt /var/lib/analytics/dbt
WORKDIR /app
COPY pyproject.toml README.md LICENSE dagster.yaml ./
COPY analytics_dagster ./analytics_dagster
COPY dbt_project ./dbt_project
COPY expectations ./expectations
COPY tenants ./tenants
COPY events ./events
COPY funnels ./funnels
COPY experiments ./experiments
COPY deploy/docker/workspace.yaml ./workspace.yaml
COPY --chmod=755 deploy/docker/entrypoint.sh /usr/local/bin/entrypoint.sh
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ANALYTICS_HOME=/app \
    ANALYTICS_STATE_DIR=/var/lib/analytics \
    ANALYTICS_SAMPLE=false
USER analytics
EXPOSE 3000 4000
ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]
CMD ["dagster-webserver", "--host", "0.0.0.0", "--port", "3000", "--workspace", "/app/workspace.yaml"]
# of the webserver, which is what the image is by itself; docker-compose.yml has one for each service
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:3000/server_info', timeout=5)"]
