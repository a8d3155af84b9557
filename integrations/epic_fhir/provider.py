"""Epic on FHIR: R4 resources by SMART Backend Services (fhir.epic.com, hl7.org/fhir/R4)."""

from integrations.base.fields import Field
from integrations.base.provider import Provider, RateLimit
from integrations.epic_fhir.actions import (
    create_observation,
    create_patient,
    read_observation,
    read_patient,
    search_observations,
    search_patients,
    test_connection,
    upsert_observations,
    upsert_patients,
)
from integrations.epic_fhir.client import BACKEND, classify
from integrations.epic_fhir.pulls import pull

PROVIDER = Provider(
    slug="epic_fhir",
    name="Epic on FHIR",
    category="healthcare",
    summary="Patients and observations of an Epic customer, read, searched and created as FHIR R4.",
    docs_url="https://fhir.epic.com/Documentation",
    base_urls={"default": "{fhir_base_url}"},
    auth=(BACKEND,),
    fields=(
        Field(
            "fhir_base_url",
            "FHIR base address",
            help="Ends in /api/FHIR/R4. Each organization that runs Epic has its own.",
            example="https://fhir.epic.com/interconnect-fhir-oauth/api/FHIR/R4",
            pattern=r"https?://[^\s?#]+[^\s?#/]",
            kind="url",
        ),
        Field(
            "patient_search",
            "Patients to read",
            help="Search that picks the patients of the patients pull; Epic wants identifying parameters.",
            example="family=Lopez&birthdate=1987-09-12",
            pattern=r"[A-Za-z_][\w.:-]*=[^\s#]+",
            required=False,
        ),
        Field(
            "observation_search",
            "Observations to read",
            help="Search that picks the observations of the observations pull.",
            example="patient=erXuFYUfucBZaryVksYEcMg3&category=vital-signs",
            pattern=r"[A-Za-z_][\w.:-]*=[^\s#]+",
            required=False,
        ),
        Field(
            "bundle_type",
            "Kind of bundle",
            help="How several resources are written at once. Some servers take batches only.",
            example="transaction",
            default="transaction",
            choices=(("transaction", "Transaction: all or none"), ("batch", "Batch: each by itself")),
        ),
    ),
    test=test_connection,
    actions=(
        create_patient,
        create_observation,
        upsert_patients,
        upsert_observations,
        read_patient,
        read_observation,
        search_patients,
        search_observations,
    ),
    pulls=(pull("patients", "Patients", "Patient"), pull("observations", "Observations", "Observation")),
    # Epic publishes no limit.
    rate_limit=RateLimit(5, 1),
    headers={"Accept": "application/fhir+json"},
    classify=classify,
    colour="#b5123b",
)
