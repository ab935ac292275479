"""Boards that are opened by a library of BrainFlow's shape: BrainFlow's own some sixty, and MindRove's."""
