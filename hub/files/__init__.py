"""Files in and out, for systems without an API and for people.

store.py      an upload, kept in the database bit by bit, so that any worker can read it
reading.py    CSV, NDJSON and XLSX as rows of cells; spreadsheets.py guards against packed bombs
columns.py    what a column becomes: its field, its kind, and suggestions for both
presets.py    what the columns of systems without an API are usually called
checking.py   rows into records by the columns: the preview and the import ask the same function
importing.py  what a worker does with an import; every step in ONE transaction with its progress
exporting.py  records as CSV, NDJSON or XLSX, a window at a time
"""
