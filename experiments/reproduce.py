"""The command `avx reproduce` as `python -m experiments.reproduce`; see `avx.commands.reproduce`."""

from avx.commands import reproduce
from avx.commands.app import run

if __name__ == "__main__":
    run(reproduce)
