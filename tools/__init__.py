"""The `python -m` forms of the commands for people with files."""
