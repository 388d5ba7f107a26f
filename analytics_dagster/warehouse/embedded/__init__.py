"""A PostgreSQL of our own: it comes as a wheel, starts when needed and stops when its last user goes.

Nothing is imported here, so that the keeper's process stays small.
"""
