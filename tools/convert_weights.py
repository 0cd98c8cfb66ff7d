"""The command `avx convert_weights` as `python -m tools.convert_weights`; see `avx.commands.convert_weights`."""

from avx.commands import app, convert_weights

if __name__ == "__main__":
    app.run(convert_weights)
