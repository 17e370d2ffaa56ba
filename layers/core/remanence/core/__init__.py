"""The pure core: values, and functions from values to values. No IO, no clock, no randomness."""
