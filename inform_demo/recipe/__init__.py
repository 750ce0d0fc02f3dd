"""How the model was made: its base, its loss, its training. Each is a command of `inform-demo`."""
