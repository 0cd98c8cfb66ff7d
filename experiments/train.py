"""The command `avx train` as `python -m experiments.train`; see `avx.commands.train`."""

from avx.commands import train
from avx.commands.app import run

if __name__ == "__main__":
    run(train)
