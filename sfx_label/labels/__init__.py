"""Labels: the scheme, the store that never loses one, and exchange with other programs."""
