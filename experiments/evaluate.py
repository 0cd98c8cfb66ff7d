"""The command `avx evaluate` as `python -m experiments.evaluate`; see `avx.commands.evaluate`."""

from avx.commands import evaluate
from avx.commands.app import run

if __name__ == "__main__":
    run(evaluate)
