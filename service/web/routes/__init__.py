"""HTTP routes by concern; each module has a `router`."""
