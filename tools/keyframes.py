"""`avx keyframes` as `python -m tools.keyframes`."""

from avx.commands import app, keyframes

if __name__ == "__main__":
    app.run(keyframes)
