"""Remanence: a serverless backend for LLM agents that remember."""

__version__ = "0.1.0"
