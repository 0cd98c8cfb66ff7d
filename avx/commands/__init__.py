"""The commands: one module each, with `define_flags` and `main`; `avx NAME` and `python -m` run them."""
