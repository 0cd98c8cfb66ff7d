"""The published tables that `experiments.reproduce` measures again, one module a table."""
