"""What lives as long as a source: its engine, its state, and the supervisor that brings it back."""
