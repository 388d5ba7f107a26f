"""A multi-tenant analytics platform, shaped as a Dagster project."""
