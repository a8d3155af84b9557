"""Who changed what: people, API keys and commands, per organization; secrets are named, never written.

``watched.py`` says which models are looked at: configuration only, nothing that the engine writes for
every event. ``actors.py`` knows on whose behalf the present code runs.
"""
