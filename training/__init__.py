"""What makes models: the graders' encoder today, Josi later. May import `harness`."""
