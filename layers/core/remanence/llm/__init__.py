"""The edge to model providers: wires, vendors, retries, and the scripted test model."""
