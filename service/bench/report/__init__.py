"""The benchmark's statistics, tables and plots."""
