"""Features, churn, lifetime value, the model registry and the scores.

Importing this package costs nothing: its modules are imported inside the asset that needs them, because
MLflow and scikit-learn take seconds. What must be said before MLflow is imported is said here.
"""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# a pool would keep connections open after training, and a server that stops politely waits for them
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
