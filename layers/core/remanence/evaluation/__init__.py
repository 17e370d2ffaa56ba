"""Measuring recall on questions whose answers are known: `remanence eval recall`."""
