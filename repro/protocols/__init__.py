"""How the papers score maps: every choice an argument, the authors' value its default."""
