"""The voice of the person: `gemot run`, `ps`, `tree`, `log`, `asks`, `answer`, `send`, `kill`, ... in a terminal."""
