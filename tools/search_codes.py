"""The command `avx search_codes` as `python -m tools.search_codes`; see `avx.commands.search_codes`."""

from avx.commands import app, search_codes

if __name__ == "__main__":
    app.run(search_codes)
