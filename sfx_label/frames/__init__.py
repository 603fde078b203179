"""Frames on disk: open a run of any known layout and read one frame at a time."""
