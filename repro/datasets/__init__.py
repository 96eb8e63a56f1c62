"""The data that claims are checked on: pictures and their true boxes, drawn here or read from public data sets."""
