"""The command `avx sweep` as `python -m experiments.sweep`; see `avx.commands.sweep`."""

from avx.commands import sweep
from avx.commands.app import run

if __name__ == "__main__":
    run(sweep)
