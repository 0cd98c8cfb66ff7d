"""Folders whose rights shut the reader out, whoever runs the tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def shut(monkeypatch):
    """Makes folders of a name unreadable, as mode 000 does to all but root."""

    def shut_folders(name):
        scandir = os.scandir

        def refused(path):
            if Path(path).name == name:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refused)

    return shut_folders
