"""EDGE: Postgres. Connections, SQL files, rows, the store, search and migrations."""
