"""“The same account?”: a credential that proves to be of another account waits until somebody says yes.

What is put in is tried out before it is saved. Where the connection test is answered by another account than
the one that is connected, nothing changes; what was put in waits, encrypted, for an answer. So it does where
the account was known and the new credential does not tell whose it is.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from hub.connections.check import TestOutcome, rehearse_test
from hub.connections.forms import GuidedForm, is_sign_in
from hub.connections.models import Credential, Integration, PendingSwitch
from integrations.base.fields import FieldErrors
from integrations.base.oauth import TokenSet

#: How long somebody has to answer.
LIFETIME = timedelta(minutes=15)

#: Says in a sentence what becomes of a slice's rows where the account changes; "" for nothing.
Consequence = Callable[[Integration], str]
_consequences: list[Consequence] = []


def register_consequence(tell: Consequence) -> None:
    """Have ``tell`` asked what a switch of accounts would mean; called when an admin module is loaded."""
    _consequences.append(tell)


def consequences(integration: Integration) -> list[str]:
    """Return what a switch would mean for everything that hangs on ``integration``."""
    return [said for tell in _consequences if (said := tell(integration))]


def parked_form(row: Integration, form: GuidedForm, user: Any, posted: Mapping[str, str]) -> bool:
    """Whether the form holds another account's credential and now waits for an answer."""
    if form.errors or not _may_be_other(row, form):
        return False
    try:
        outcome = rehearse_test(*_rehearsed(row, form))
    except FieldErrors:
        # The form itself will tell what is wrong.
        return False
    return _parked(
        row, outcome, user, {"form": {name: posted[name] for name in posted if name[:4] != "csrf"}}
    )


def parked_tokens(row: Integration, tokens: TokenSet, user: Any) -> bool:
    """Whether somebody signed in with another account, so that the tokens wait for an answer."""
    if not row.account_id:
        return False
    credential = Credential.objects.filter(integration=row).first() or Credential(integration=row)
    credential.tokens = tokens.as_dict()
    return _parked(row, rehearse_test(row, credential), user, {"tokens": tokens.as_dict()})


def pending_switch(row: Integration, user: Any) -> PendingSwitch | None:
    """Return what waits for the answer of ``user``."""
    PendingSwitch.objects.filter(expires_at__lt=timezone.now()).delete()
    return PendingSwitch.objects.filter(integration=row, user=user).order_by("-expires_at").first()


def is_other(row: Integration, outcome: TestOutcome) -> bool:
    """Whether a test that passed was answered by another account than the known one, or by an untold one."""
    return bool(outcome.ok and row.account_id and row.account_id != outcome.account_id)


def _parked(row: Integration, outcome: TestOutcome, user: Any, change: dict[str, Any]) -> bool:
    if not is_other(row, outcome):
        return False
    PendingSwitch.objects.filter(integration=row, user=user).delete()
    # A label alone (“account in test mode”) does not say which account it is.
    label = (outcome.account or outcome.account_id) if outcome.account_id else ""
    PendingSwitch.objects.create(
        integration=row,
        user=user,
        change=change,
        account_label=label[:200],
        expires_at=timezone.now() + LIFETIME,
    )
    return True


def _may_be_other(row: Integration, form: GuidedForm) -> bool:
    """Whether what the form changes could lead to another account; the sandbox's is none to compare with."""
    if not row.account_id or row.sandbox != form.sandbox:
        return False
    if is_sign_in(form.provider.scheme(form.auth_key)):
        # Who signs in shows at the sign-in itself.
        return False
    for field in form.provider.fields_for(form.auth_key):
        given = form.values.get(field.name)
        if field.secret and given:
            return True
        if not field.secret and str(given or "") != str(row.settings.get(field.name, field.default) or ""):
            return True
    return row.auth_key != form.auth_key


def _rehearsed(row: Integration, form: GuidedForm) -> tuple[Integration, Credential]:
    """Return the rows as saving would make them, without saving them."""
    with transaction.atomic():
        made = form.save(row.organization, Integration.objects.get(pk=row.pk))
        credential = Credential.objects.get(integration=made)
        credential.secrets = dict(credential.secrets or {})
        credential.tokens = dict(credential.tokens or {})
        transaction.set_rollback(True)
    return made, credential
