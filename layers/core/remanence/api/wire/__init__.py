"""The protocol's JSON: one module per resource, `to_wire` out and `from_wire` in."""
