"""The built-in demo session, `demo.mcap`, and how it was made: `python -m drivers.demo.make`."""
