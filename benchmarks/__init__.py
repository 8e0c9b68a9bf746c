"""What the README claims about speed, each figure by one command."""
