"""Typed inputs, and the FHIR resources made of them, validated before anything is sent.

Patient and Observation did not change between R4 (4.0.1) and R4B (4.3.0), so the models of R4B
hold for R4; those of R5, the default of fhir.resources, do not.
"""

import importlib
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from integrations.base.capabilities import Identifier, Input
from integrations.base.errors import Rejected

LOINC = "http://loinc.org"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
UCUM = "http://unitsofmeasure.org"
#: What the identifier of an observation is from where the application gives none.
DELIVERY = "urn:interchange:delivery"

Status = Literal[
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
]
Gender = Literal["", "male", "female", "other", "unknown"]


class PatientInput(Input):
    """A person to register."""

    family: str = Field(min_length=1, max_length=200, description="Family name.")
    given: str = Field("", max_length=200, description="Given names, parted by spaces.")
    birth_date: str = Field("", description="Date of birth: 1987-09-12.")
    gender: Gender = Field("", description="male, female, other or unknown.")
    identifier_system: str = Field("", max_length=500, description="What the identifier is from: a URI.")
    identifier: Identifier = Field("", max_length=200, description="Your own number of the person.")
    phone: Identifier = Field("", max_length=60, description="Telephone number.")
    email: str = Field("", max_length=254, description="E-mail address.")
    street: str = Field("", max_length=200, description="Street and number.")
    city: str = Field("", max_length=200, description="City.")
    postal_code: Identifier = Field("", max_length=30, description="Postal code.")
    country: str = Field("", max_length=100, description="Country.")
    resource: dict[str, Any] = Field(
        default_factory=dict, description="Further elements of the FHIR Patient, laid over the rest."
    )

    def as_resource(self) -> dict[str, Any]:
        """Return the FHIR Patient."""
        name = {"use": "official", "family": self.family, "given": self.given.split()}
        contacts = [("phone", self.phone), ("email", self.email)]
        address = {
            "line": [self.street] if self.street else [],
            "city": self.city,
            "postalCode": self.postal_code,
            "country": self.country,
        }
        identifier = {"system": self.identifier_system, "value": self.identifier}
        return {
            **pruned(
                {
                    "resourceType": "Patient",
                    "identifier": [identifier] if self.identifier else [],
                    "name": [name],
                    "telecom": [{"system": kind, "value": value} for kind, value in contacts if value],
                    "gender": self.gender,
                    "birthDate": self.birth_date,
                    "address": [address],
                }
            ),
            **self.resource,
        }


class ObservationInput(Input):
    """Something measured or noted about a patient."""

    patient_id: Identifier = Field(min_length=1, max_length=200, description="FHIR id of the patient.")
    code: Identifier = Field(min_length=1, max_length=50, description="What was observed: 8867-4.")
    code_system: str = Field(LOINC, max_length=500, description="Code system of the code: a URI.")
    display: str = Field("", max_length=500, description="The code in words: Heart rate.")
    category: str = Field("vital-signs", max_length=100, description="Category: vital-signs, laboratory.")
    status: Status = Field("final", description="How settled it is: final, preliminary.")
    effective: str = Field("", description="When it was observed, ISO 8601 with a time zone.")
    value: float | None = Field(None, description="Measured number.")
    unit: str = Field("", max_length=60, description="Unit of the number, in UCUM: /min.")
    text: str = Field("", max_length=4000, description="The observation in words, where it is no number.")
    resource: dict[str, Any] = Field(
        default_factory=dict, description="Further elements of the FHIR Observation, laid over the rest."
    )

    def as_resource(self, key: str, system: str = DELIVERY) -> dict[str, Any]:
        """Return the FHIR Observation; ``key`` marks it, so that a second copy can be recognised."""
        quantity = {"value": self.value, "unit": self.unit, "code": self.unit}
        quantity["system"] = UCUM if self.unit else ""
        return {
            **pruned(
                {
                    "resourceType": "Observation",
                    "identifier": [{"system": system, "value": key}],
                    "status": self.status,
                    "category": [{"coding": [{"system": CATEGORIES, "code": self.category}]}]
                    if self.category
                    else [],
                    "code": {
                        "coding": [{"system": self.code_system, "code": self.code, "display": self.display}],
                        "text": self.display,
                    },
                    "subject": {"reference": f"Patient/{self.patient_id}"},
                    "effectiveDateTime": self.effective,
                    "valueQuantity": {} if self.value is None else quantity,
                    "valueString": self.text if self.value is None else "",
                }
            ),
            **self.resource,
        }


class KnownPatient(PatientInput):
    """A person who is found again by an identifier."""

    identifier_system: str = Field(
        min_length=1, max_length=500, description="What the identifier is from: a URI."
    )
    identifier: Identifier = Field(
        min_length=1, max_length=200, description="Your own number of the person, who is found by it."
    )


class KnownObservation(ObservationInput):
    """An observation that is found again by an identifier."""

    identifier_system: str = Field(
        min_length=1, max_length=500, description="What the identifier is from: a URI."
    )
    identifier: Identifier = Field(
        min_length=1, max_length=200, description="Your own number of the observation, which is found by it."
    )


def pruned(value: Any) -> Any:
    """Return ``value`` without empty texts, lists and objects: FHIR allows no empty element."""
    if isinstance(value, dict):
        kept = {name: pruned(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in ("", None, [], {})}
    if isinstance(value, list):
        return [inner for inner in map(pruned, value) if inner not in ("", None, [], {})]
    return value


def validated(resource: dict[str, Any]) -> dict[str, Any]:
    """Return ``resource``; raise Rejected with a reason per element where FHIR does not allow it."""
    kind = str(resource.get("resourceType"))
    try:
        _models()[kind].model_validate(resource)
    except KeyError:
        raise Rejected(f"{kind} is not created here.", fields={"resourceType": kind}) from None
    except ValidationError as error:
        fields = {
            ".".join([kind, *(str(part) for part in entry["loc"])]): entry["msg"].removeprefix(
                "Value error, "
            )
            for entry in error.errors(include_url=False, include_input=False)
        }
        raise Rejected(f"The {kind} is not valid FHIR R4, so it was not sent.", fields=fields) from None
    return resource


@lru_cache(maxsize=1)
def _models() -> dict[str, type[BaseModel]]:
    """Return the models; loading them takes half a second, so only who needs them does."""
    return {
        kind: getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        for kind in ("Patient", "Observation")
    }
