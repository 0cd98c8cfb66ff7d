"""The command `avx export` as `python -m tools.export`; see `avx.commands.export`."""

from avx.commands import app, export

if __name__ == "__main__":
    app.run(export)
