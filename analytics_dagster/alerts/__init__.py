"""Rules, routing and delivery of alerts: their contracts are in `schemas.alerts`, and nothing raises one yet."""
