"""The machine of a new guest: its definition, part by part."""
