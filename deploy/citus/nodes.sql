-- The cluster as its coordinator knows it. Adding a node that is there already changes nothing.
select citus_set_coordinator_host('coordinator', 5432);
select citus_add_node('worker-1', 5432);
select citus_add_node('worker-2', 5432);
