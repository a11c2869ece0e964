"""Where people come in: the command line, the library, the model folder."""
