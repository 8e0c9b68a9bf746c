"""What a run leaves behind: the run folder, its Markdown summary and the table in the terminal."""
