"""How good the records are, and whether a provider's rows still look as they did.

rules.py      pure: whether a record keeps a rule, and the rule as a sentence
checking.py   all records of a type against its rules, in short steps; the score and its history
drift.py      the fields of what is read against the read before; told once, until acknowledged
"""
