"""The language that nano is trained on: a small English of fictional bulletins."""
