"""The demonstration model: rules in place of a language model, for people without a key."""
