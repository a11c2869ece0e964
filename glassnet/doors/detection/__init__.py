"""Detectors: from boxes on pictures to a model folder, and what such a model says."""
