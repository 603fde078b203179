"""One file a method, one signature."""
