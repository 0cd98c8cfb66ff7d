"""The command `avx extract` as `python -m experiments.extract`; see `avx.commands.extract`."""

from avx.commands import extract
from avx.commands.app import run

if __name__ == "__main__":
    run(extract)
