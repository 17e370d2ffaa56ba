"""EDGE: the laptop. Embedded Postgres, the local server and the terminal client."""
