"""Who is asking: accounts, sessions and keys, and the one place where every door finds the principal."""
