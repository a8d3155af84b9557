"""The addresses of the API, without a slash at the end."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from hub.api.events import EventsView, EventView
from hub.api.integrations import HealthView, LogsView, OneHealthView, StatusView, TestView
from hub.api.records import BulkView, RecordView
from hub.api.syncs import RunView, SyncView
from hub.api.system import healthz, metrics, readyz

urlpatterns = [
    path("api/events", EventsView.as_view(), name="api-events"),
    path("api/events/<str:id>", EventView.as_view(), name="api-event"),
    path("api/integrations/status", StatusView.as_view(), name="api-status"),
    path("api/integrations/health", HealthView.as_view(), name="api-health"),
    path("api/integrations/logs", LogsView.as_view(), name="api-logs"),
    path("api/integrations/sync", SyncView.as_view(), name="api-sync"),
    path("api/integrations/test/<str:integration>", TestView.as_view(), name="api-test"),
    path("api/integrations/<str:integration>/health", OneHealthView.as_view(), name="api-one-health"),
    path("api/records/<slug:type>/bulk", BulkView.as_view(), name="api-records-bulk"),
    path("api/records/<slug:type>/<path:key>", RecordView.as_view(), name="api-record"),
    path("api/sync-runs/<str:id>", RunView.as_view(), name="api-sync-run"),
    path("api/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("metrics", metrics, name="metrics"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
