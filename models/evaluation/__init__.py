"""Judging poses: metrics, baselines, predictors, reports."""
