"""The shell around the core: the order of events of a run, and no rules of its own."""
