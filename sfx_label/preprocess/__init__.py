"""From counts to contrast: central crop, GCN, LCN, row-wise decomposition and spots."""
