"""Who somebody is: signing in, second factors, other identity providers, invitations, tokens of the API.

``options.py`` the settings; ``adapters.py`` what django-allauth asks the hub; ``door.py`` its way out;
``views.py`` pages; ``invitations.py`` and ``tokens.py`` the decisions.
"""
