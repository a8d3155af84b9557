"""What is done with an Epic server: create, read, search, and prove the connection."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field

from integrations.base.capabilities import Identifier, Input
from integrations.base.errors import PermanentError, Rejected
from integrations.base.provider import Context, Outcome, action, batch_action
from integrations.base.results import Result
from integrations.epic_fhir.bundles import BUNDLE, upsert
from integrations.epic_fhir.client import fhir_json, id_in, post, server_of
from integrations.epic_fhir.resources import (
    Gender,
    KnownObservation,
    KnownPatient,
    ObservationInput,
    PatientInput,
    validated,
)


class ResourceId(Input):
    """A resource to read."""

    id: Identifier = Field(pattern=r"^[A-Za-z0-9.-]{1,255}$", description="FHIR id of the resource.")


class PatientSearch(Input):
    """Who is looked for; Epic wants enough to identify a person."""

    identifier: Identifier = Field("", description="Number, best as system|value.")
    family: str = Field("", description="Family name.")
    given: str = Field("", description="Given name.")
    birthdate: str = Field("", description="Date of birth: 1987-09-12.")
    gender: Gender = Field("", description="male, female, other or unknown.")


class ObservationSearch(Input):
    """Which observations of a patient are looked for."""

    patient: Identifier = Field(min_length=1, description="FHIR id of the patient.")
    category: str = Field("", description="Category: vital-signs.")
    code: Identifier = Field("", description="Code, best as system|code.")
    date: str = Field("", description="Date with a comparison: ge2026-01-01.")


@action("epic_fhir.patient.create", "Create a patient", PatientInput)
def create_patient(ctx: Context, data: PatientInput) -> Result:
    """Register a patient; the resource is checked against FHIR before it is sent."""
    return _create(ctx, validated(data.as_resource()))


@action("epic_fhir.observation.create", "Create an observation", ObservationInput)
def create_observation(ctx: Context, data: ObservationInput) -> Result:
    """Write an observation of a patient; the resource is checked against FHIR before it is sent."""
    return _create(ctx, validated(data.as_resource(ctx.idempotency_key)))


@batch_action("epic_fhir.patient.upsert", "Create or update patients", KnownPatient, size=BUNDLE)
def upsert_patients(ctx: Context, inputs: Sequence[KnownPatient]) -> list[Outcome]:
    """Create patients, or update those with the same identifier, in one bundle; a bad one fails alone."""
    return upsert(ctx, [(one, one.as_resource) for one in inputs])


@batch_action("epic_fhir.observation.upsert", "Create or update observations", KnownObservation, size=BUNDLE)
def upsert_observations(ctx: Context, inputs: Sequence[KnownObservation]) -> list[Outcome]:
    """Create observations, or update those with the same identifier, in one bundle; a bad one fails alone."""
    return upsert(
        ctx, [(one, partial(one.as_resource, one.identifier, one.identifier_system)) for one in inputs]
    )


@action("epic_fhir.patient.read", "Read a patient", ResourceId)
def read_patient(ctx: Context, data: ResourceId) -> Result:
    """Read one patient by FHIR id."""
    return _read(ctx, "Patient", data.id)


@action("epic_fhir.observation.read", "Read an observation", ResourceId)
def read_observation(ctx: Context, data: ResourceId) -> Result:
    """Read one observation by FHIR id."""
    return _read(ctx, "Observation", data.id)


@action("epic_fhir.patient.search", "Search patients", PatientSearch)
def search_patients(ctx: Context, data: PatientSearch) -> Result:
    """Search patients; the result holds the FHIR id of each."""
    return _search(ctx, "Patient", data)


@action("epic_fhir.observation.search", "Search observations", ObservationSearch)
def search_observations(ctx: Context, data: ObservationSearch) -> Result:
    """Search the observations of a patient; the result holds the FHIR id of each."""
    return _search(ctx, "Observation", data)


def matches(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the resources of a search; warnings stand among them as OperationOutcome."""
    resources = [entry.get("resource") or {} for entry in bundle.get("entry") or []]
    return [resource for resource in resources if resource.get("resourceType") == kind]


def _create(ctx: Context, resource: dict[str, Any]) -> Result:
    kind = resource["resourceType"]
    response = post(ctx, f"/{kind}", resource)
    made = id_in(response.headers.get("location", ""), kind)
    if not made and response.body:
        made = str(fhir_json(response).get("id", ""))
    return Result(external_id=made)


def _read(ctx: Context, kind: str, key: str) -> Result:
    resource = fhir_json(ctx.http.get(f"/{kind}/{quote(key, safe='')}"))
    return Result(external_id=str(resource.get("id", "")), data={"resource": resource})


def _search(ctx: Context, kind: str, data: Input) -> Result:
    params = {name: value for name, value in data.model_dump().items() if value}
    if not params:
        raise Rejected("The search names nothing to look for.", fields={"input": "give at least one field"})
    bundle = fhir_json(ctx.http.get(f"/{kind}", params=params))
    ids = [str(resource.get("id", "")) for resource in matches(bundle, kind)]
    return Result(external_id=ids[0] if len(ids) == 1 else "", data={"total": len(ids), "ids": ids})


def test_connection(ctx: Context) -> Result:
    """Prove address and key: the server speaks R4, and a search with our token is answered."""
    statement = fhir_json(ctx.http.get("/metadata", auth=False))
    version = str(statement.get("fhirVersion", ""))
    if statement.get("resourceType") != "CapabilityStatement" or not version.startswith("4.0"):
        hint = "Enter the address that ends in /api/FHIR/R4."
        raise PermanentError(
            f"The server does not speak FHIR R4 but {version or 'something else'}.", hint=hint
        )
    try:
        ctx.http.get("/Patient", params={"family": "Interchange-Test", "birthdate": "1900-01-01"})
    except PermanentError as error:
        error.hint = error.hint or "Check on fhir.epic.com that the app may search patients."
        raise
    software = statement.get("software") or {}
    name = str(software.get("name") or statement.get("publisher") or "FHIR server")
    label = f"{name} at {urlsplit(server_of(ctx.settings)).netloc}"
    return Result(external_id=label, message=f"The connection works; the server speaks FHIR {version}.")
