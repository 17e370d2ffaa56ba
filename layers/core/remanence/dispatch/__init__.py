"""Edges: how the next step of a conversation is started."""
