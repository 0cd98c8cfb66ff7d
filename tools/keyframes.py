"""The command `avx keyframes` as `python -m tools.keyframes`; see `avx.commands.keyframes`."""

from avx.commands import app, keyframes

if __name__ == "__main__":
    app.run(keyframes)
