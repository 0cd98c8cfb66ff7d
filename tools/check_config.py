"""The command `avx check_config` as `python -m tools.check_config`; see `avx.commands.check_config`."""

from avx.commands import app, check_config

if __name__ == "__main__":
    app.run(check_config)
