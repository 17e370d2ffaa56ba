"""HTTP: the routes of the protocol over the catalog and the engine."""
