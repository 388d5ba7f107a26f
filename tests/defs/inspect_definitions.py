"""Run in a fresh interpreter: loads what Dagster loads, and prints what is there as JSON."""

import json

from analytics_dagster.definitions import defs

graph = defs.resolve_asset_graph()
daily = defs.resolve_job_def("daily")
print(  # noqa: T201 - read by the test
    json.dumps(
        {
            "jobs": sorted(job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")),
            "schedules": {s.name: [s.job_name, s.cron_schedule, s.default_status.value] for s in defs.schedules},
            "sensors": {s.name: s.default_status.value for s in defs.sensors},
            "loggers": sorted(defs.loggers),
            "assets": {
                "/".join(node.key.path): {
                    "description": node.description,
                    "owners": list(node.owners),
                    "group": node.group_name,
                    "kinds": sorted(node.kinds),
                    "parents": sorted("/".join(key.path) for key in node.parent_keys),
                    "metadata": sorted(str(name) for name in node.metadata),
                    "partitioned": node.partitions_def is not None,
                }
                for node in graph.asset_nodes
                if node.is_materializable
            },
            "blocking": sorted(key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking),
            "daily": sorted("/".join(key.path) for key in daily.asset_layer.selected_asset_keys),
            "selected by jobs": sorted(
                {
                    "/".join(key.path)
                    for job in defs.resolve_all_job_defs()
                    if not job.name.startswith("__")
                    for key in job.asset_layer.selected_asset_keys
                }
            ),
        }
    )
)
