"""Which address leads to which view."""

from django.urls import path

from people import views as people
from wiki import imports, views

urlpatterns = [
    path("", views.Recent.as_view()),
    path("page/<slug:slug>", views.PageView.as_view()),
    path("page/<slug:slug>/preview", views.preview),
    path("page/<slug:slug>/print", views.printed),
    path("page/<slug:slug>/history", views.history),
    path("search", views.Search.as_view()),
    path("titles", views.titles),
    path("replace", views.replace),
    path("count", views.count),
    path("attachment", views.attachment),
    path("attachment/<int:number>", views.numbered),
    path("raw/<slug:slug>", views.raw),
    path("macro", views.macro),
    path("import/xml", imports.ImportXml.as_view()),
    path("import/feed", imports.feed),
    path("import/dump", imports.dump),
    path("import/pictures", imports.pictures),
    path("import/settings", imports.settings_file),
    path("login", people.login),
    path("logout", people.logout),
    path("profile", people.Profile.as_view()),
    path("colleagues", people.colleagues),
    path("invite", people.invite),
]
