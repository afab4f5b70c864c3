"""The built-in plugin: every component that ships with cgkit, registered like a stranger's."""
