"""``manage.py rotate_keys``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hub.connections import rotation
from hub.lib.keyring import KeyringError

HELP = """Re-encrypt every credential with the first key of HUB_ENCRYPTION_KEYS, while the hub runs.
First put the new key in front of the former, separated by a comma, and restart every process, so that all
of them can read what is written. Stopping this command does no harm; it goes on where it stopped. When it
says that a key may be removed, take it out of HUB_ENCRYPTION_KEYS and restart once more."""


class Command(BaseCommand):
    """Re-encrypts, and says which key is still needed."""

    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--status", action="store_true", help="Only say how much each key encrypts.")
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="Rows that are read at once.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if not options["status"]:
                self._rotate(max(1, options["batch"]))
            self._status()
        except KeyringError as error:
            raise CommandError(str(error)) from None
        if not options["status"]:
            self._verify()

    def _rotate(self, batch: int) -> None:
        if not rotation.remaining():
            self.stdout.write("Everything is encrypted with the first key already.")
        for done in rotation.rotate(batch):
            self.stdout.write(f"{done.place}: {_sentence(done)}")

    def _status(self) -> None:
        for use in rotation.key_uses():
            self.stdout.write(f"Key {use.key_id}: {use.total} ciphertext{_s(use.total)}; {use.sentence}.")
            for place, number in sorted(use.places.items()):
                self.stdout.write(f"  {place}: {number}")

    def _verify(self) -> None:
        if wrong := rotation.unopenable():
            raise CommandError(
                f"{len(wrong)} ciphertext{_s(len(wrong))} cannot be opened: {', '.join(wrong[:20])}. "
                "Put the missing key back behind the others, or connect these again."
            )
        if left := rotation.remaining():
            raise CommandError(
                f"{left} ciphertext{_s(left)} of another key are left: a process still saves with it. "
                "Restart every process with the new key in front, then run this again."
            )
        self.stdout.write("Every ciphertext was opened: all is well.")


def _sentence(done: rotation.Progress) -> str:
    said = [f"{done.renewed} re-encrypted"]
    if done.overtaken:
        said.append(f"{done.overtaken} saved by somebody else meanwhile")
    if done.unreadable:
        said.append(f"{done.unreadable} cannot be opened")
    return ", ".join(said)


def _s(number: int) -> str:
    return "" if number == 1 else "s"
