"""Where custom tools run: never in the process that holds the database URL or a key."""
