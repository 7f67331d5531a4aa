"""Trains many Keras models at once on a Ray cluster, stops the hopeless ones early, ranks the rest."""

__version__ = "0.1.0"
