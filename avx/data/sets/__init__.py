"""Builders of tfds datasets, one file each; `studio` renders the clips of the embedded one."""
