"""The graders, one claim per file; `GRADERS` maps the name in reports to the function."""
