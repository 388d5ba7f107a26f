"""The gate: Great Expectations judges each tenant's load, and a tenant that fails is held back alone."""
