"""Sealed secrets: one `<environment>.age` for each environment, and the code that opens and edits them."""
