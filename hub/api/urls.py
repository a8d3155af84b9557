"""The addresses of the API, without a slash at the end."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from hub.api import auth
from hub.api.alerts import AlertView
from hub.api.catalogue import ProvidersView, ProviderView
from hub.api.configuration import ConfigView, ReloadView
from hub.api.conflicts import ConflictsView, ConflictView
from hub.api.connecting import IntegrationsView, IntegrationView
from hub.api.data import DataView
from hub.api.endpoints import AddressView, EndpointsView, EndpointView
from hub.api.events import EventsView, EventView, ReplayView
from hub.api.integrations import HealthView, LogsView, OneHealthView, StatusView, TestView
from hub.api.mappings import MappingsView, MappingView, PreviewView
from hub.api.quality import OffendersView, QualityView
from hub.api.queue import CancelManyView, CancelView, ItemView, QueueView, RetryManyView, RetryView
from hub.api.records import BulkView, RecordListView, RecordView
from hub.api.reports import DeliveriesView, ErrorsView, FiguresView, WebhooksView
from hub.api.routes import ImpactView, RoutesView, RouteView
from hub.api.subscriptions import (
    RotateView,
    SampleView,
    SubscribeView,
    SubscriptionsView,
    SubscriptionView,
    TestSubscriptionView,
    UnsubscribeView,
)
from hub.api.syncs import ChangesView, RunDeedView, RunView, SyncView
from hub.api.system import healthz, metrics, readyz

urlpatterns = [
    path("api/auth/login", auth.LoginView.as_view(), name="api-login"),
    path("api/auth/register", auth.RegisterView.as_view(), name="api-register"),
    path("api/auth/refresh", auth.RefreshView.as_view(), name="api-refresh"),
    path("api/auth/logout", auth.LogoutView.as_view(), name="api-logout"),
    path("api/auth/social/google", auth.GoogleView.as_view(), name="api-google"),
    path("api/auth/social/facebook", auth.FacebookView.as_view(), name="api-facebook"),
    path("api/events", EventsView.as_view(), name="api-events"),
    path("api/events/<str:id>", EventView.as_view(), name="api-event"),
    path("api/events/<str:id>/replay", ReplayView.as_view(), name="api-replay"),
    path("api/queue", QueueView.as_view(), name="api-queue"),
    path("api/queue/retry", RetryManyView.as_view(), name="api-retry-many"),
    path("api/queue/cancel", CancelManyView.as_view(), name="api-cancel-many"),
    path("api/queue/<str:id>", ItemView.as_view(), name="api-item"),
    path("api/queue/<str:id>/retry", RetryView.as_view(), name="api-retry"),
    path("api/queue/<str:id>/cancel", CancelView.as_view(), name="api-cancel"),
    path("api/integrations", IntegrationsView.as_view(), name="api-integrations"),
    path("api/integrations/status", StatusView.as_view(), name="api-status"),
    path("api/integrations/health", HealthView.as_view(), name="api-health"),
    path("api/integrations/metrics", FiguresView.as_view(), name="api-figures"),
    path("api/integrations/logs", LogsView.as_view(), name="api-logs"),
    path("api/integrations/alert", AlertView.as_view(), name="api-alert"),
    path("api/integrations/config", ConfigView.as_view(), name="api-config"),
    path("api/integrations/config/reload", ReloadView.as_view(), name="api-config-reload"),
    path("api/integrations/sync", SyncView.as_view(), name="api-sync"),
    path("api/integrations/test/<str:integration>", TestView.as_view(), name="api-test"),
    path("api/integrations/data/<str:integration>", DataView.as_view(), name="api-data"),
    path("api/integrations/<str:integration>", IntegrationView.as_view(), name="api-integration"),
    path("api/integrations/<str:integration>/health", OneHealthView.as_view(), name="api-one-health"),
    path("api/mappings", MappingsView.as_view(), name="api-mappings"),
    path("api/mappings/preview", PreviewView.as_view(), name="api-mapping-preview"),
    path("api/mappings/<str:mapping>", MappingView.as_view(), name="api-mapping"),
    path("api/routes", RoutesView.as_view(), name="api-routes"),
    path("api/routes/impact", ImpactView.as_view(), name="api-route-impact"),
    path("api/routes/<str:route>", RouteView.as_view(), name="api-route"),
    path("api/webhook-endpoints", EndpointsView.as_view(), name="api-endpoints"),
    path("api/webhook-endpoints/<str:endpoint>", EndpointView.as_view(), name="api-endpoint"),
    path("api/webhook-endpoints/<str:endpoint>/address", AddressView.as_view(), name="api-address"),
    path("api/reports/deliveries", DeliveriesView.as_view(), name="api-report-deliveries"),
    path("api/reports/errors", ErrorsView.as_view(), name="api-report-errors"),
    path("api/reports/webhooks", WebhooksView.as_view(), name="api-report-webhooks"),
    path("api/providers", ProvidersView.as_view(), name="api-providers"),
    path("api/providers/<str:provider>", ProviderView.as_view(), name="api-provider"),
    path("api/quality/<slug:type>", QualityView.as_view(), name="api-quality"),
    path("api/quality/<slug:type>/<str:rule>", OffendersView.as_view(), name="api-quality-offenders"),
    path("api/records/<slug:type>", RecordListView.as_view(), name="api-records"),
    path("api/records/<slug:type>/bulk", BulkView.as_view(), name="api-records-bulk"),
    path("api/records/<slug:type>/<path:key>", RecordView.as_view(), name="api-record"),
    path("api/sync-conflicts", ConflictsView.as_view(), name="api-sync-conflicts"),
    path("api/sync-conflicts/<str:id>", ConflictView.as_view(), name="api-sync-conflict"),
    path("api/sync-runs/<str:id>", RunView.as_view(), name="api-sync-run"),
    path("api/sync-runs/<str:id>/changes", ChangesView.as_view(), name="api-sync-run-changes"),
    path("api/sync-runs/<str:id>/<slug:deed>", RunDeedView.as_view(), name="api-sync-run-deed"),
    path("api/subscriptions", SubscriptionsView.as_view(), name="api-subscriptions"),
    path("api/subscriptions/sample", SampleView.as_view(), name="api-subscription-sample"),
    path("api/subscriptions/subscribe", SubscribeView.as_view(), name="api-subscribe"),
    path("api/subscriptions/unsubscribe", UnsubscribeView.as_view(), name="api-unsubscribe"),
    path("api/subscriptions/<str:id>", SubscriptionView.as_view(), name="api-subscription"),
    path("api/subscriptions/<str:id>/rotate", RotateView.as_view(), name="api-subscription-rotate"),
    path("api/subscriptions/<str:id>/test", TestSubscriptionView.as_view(), name="api-subscription-test"),
    path("api/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("metrics", metrics, name="metrics"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
