"""Panels for JupyterLab: thin faces over the same functions that scripts call."""
