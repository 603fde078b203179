"""Data sets, networks, training and the bundles that carry a trained model."""
