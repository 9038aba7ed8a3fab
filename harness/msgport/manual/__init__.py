"""What msgport.9 documents: the functions, port kinds and flags, the panics, the claims."""
