"""From a text to a network."""
