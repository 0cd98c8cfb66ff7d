"""The commands: one module each, with `define_flags` and `main`; `avx NAME` and `python -m` run them."""

import os

# Before anything imports jax: what XLA's compiler logs (slow compilation, programs cached on another processor) is of
# no use to whoever runs a command; what fails still raises.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
