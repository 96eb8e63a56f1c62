"""The CPU's engine, each of its builds: against a literal oracle, and where it must not read, write or say anything."""
