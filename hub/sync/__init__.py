"""How does sync work? Records are the hub's copies of business objects; a sync keeps one type of them
in step with one integration, in one direction; a run is one go of a sync.

    records.py    upsert of records, one or many; the fingerprint that says whether something changed
    importing.py  CSV and NDJSON streams into records, with a reason for each row that is not taken
    starting.py   begins runs: by hand, by the API, and by cron expression (calendar.py)
    leases.py     which worker advances a run: claim, fence, settle, give back
    run.py        what a worker does: claim a run, ask the gate, push or pull until its slice is over
    push.py       records whose fingerprint is not the one that the integration has, in batches
    pull.py       page by page into records, read ahead (ahead.py); taking.py: what a row makes of a record,
                  beside what was known of it (known.py)
    merge.py      who is right where both sides changed a record, field by field
    conflicts.py  what a person has to decide, and what comes of it
    failures.py   a sync that fails is told once, and once that it works again
    notices.py    webhooks bring a pull forward, and tell what is gone

Two rules make it safe to kill anything at any moment. What came of a batch or a page is written in ONE
transaction with the run's cursor and counts, so a run goes on where it was settled last. And
``ExternalLink.fingerprint`` says what an integration holds, whether it was sent or read: a push sends
only what differs from it, so nothing goes out twice and nothing goes back to where it came from.
"""
