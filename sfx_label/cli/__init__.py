"""The command line: thin faces over the same functions that notebooks call."""
