"""Durable jobs: who owns one, how it moves from state to state, and what recovers it. Knows no chat."""
