from django.urls import include, path, re_path

from documents import views as documents
from patients import pages, views

urlpatterns = [
    path("patients/", views.index, name="patients"),
    path("patients/<int:number>/", views.detail),
    path("patients/by-name/<str:name>/", views.by_name),
    path("patients/by-name-bound/<str:name>/", views.by_name_bound),
    path("patients/search/", views.search),
    path("patients/search-orm/", views.search_orm),
    path("patients/extra/", views.extra),
    path("patients/extra-known/", views.extra_known),
    path("patients/statistics/", views.statistics),
    path("patients/ward/<slug:ward>/", views.ward),
    path("patients/merge/", views.Merge.as_view()),
    re_path(r"^patients/year/(?P<year>[0-9]{4})/$", views.by_year),
    path("pages/", include("patients.page_urls")),
    path("documents/", include("documents.urls")),
    path("", pages.home),
]
