"""`remanence doctor`: whether a database URL will do, and what to do where it will not."""
