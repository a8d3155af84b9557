"""Files of systems without an API: what their columns are usually called, and how they write dates.

What a preset says is a suggestion, as any other: the next page shows it beside the first rows, and the
columns of an export differ from account to account. Names that a system's documentation gives come first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of export. ``words``: a column's name, letters and digits only, and the field it gives."""

    key: str
    label: str
    #: Where the file is had.
    help: str
    #: How a date is read that may be meant in two ways.
    dates: str
    words: Mapping[str, str] = field(repr=False)

    def field_of(self, column: str) -> str:
        """Return the field for a column; empty where the preset does not know it."""
        return self.words.get(_plain(column), "")


def _plain(column: str) -> str:
    return re.sub(r"[\W_]+", "", column.casefold())


def _words(**columns: str) -> dict[str, str]:
    """Return column → field of field → columns, parted by commas."""
    return {_plain(name): into for into, names in columns.items() for name in names.split(",")}


PRESETS: Sequence[Preset] = (
    Preset(
        "honeybook-clients",
        "HoneyBook: clients",
        "In HoneyBook export the list of clients or contacts as CSV; there is no API to read it by.",
        "date_mdy",
        _words(
            email="Client Email,Email,Email Address,Client Email Address",
            name="Client Full Name,Client Name,Full Name,Name",
            first_name="First Name,Client First Name",
            last_name="Last Name,Client Last Name",
            phone="Phone,Phone Number,Client Phone,Client Phone Number",
            company="Company,Company Name,Client Company",
            project_type="Project Type",
            project_name="Project Name",
            project_date="Project Date,Event Date",
            stage="Project Stage,Stage,Pipeline Stage",
            source="Lead Source,Source",
        ),
    ),
    Preset(
        "light-blue-contacts",
        "Light Blue: contacts",
        "In Light Blue on the desktop export the contacts as CSV; its API only takes enquiries.",
        "date_dmy",
        _words(
            email="ContactEmail,Email,Email Address,E-mail",
            name="ContactNameFull,Full Name,Name,Contact Name,Display Name",
            first_name="ContactNameFirst,First Name,Forename",
            last_name="ContactNameLast,Last Name,Surname",
            title="ContactTitle,Title",
            role="ContactRole,Role",
            birth_date="ContactDateOfBirth,Date of Birth,Birthday",
            phone="ContactPhone,ContactPhoneMobile,Phone,Mobile,Mobile Phone,Telephone",
            phone_home="ContactPhoneHome,Home Phone",
            phone_work="ContactPhoneWork,Work Phone",
            website="ContactWebsite,Website",
            source="ContactSource,Source",
            tags="ContactTag,Tags",
            mailing_list="ContactMailingList,Mailing List",
            shoot="ShootTitle,Shoot Title",
        ),
    ),
)


def preset(key: str) -> Preset | None:
    """Return the preset of this name, if there is one."""
    return next((one for one in PRESETS if one.key == key), None)
