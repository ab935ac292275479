"""Boards with Upside Down Labs' Chords firmware."""
