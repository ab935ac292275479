"""Evaluation of models: passes over data, alignment, smoothing, calibration, reports."""
