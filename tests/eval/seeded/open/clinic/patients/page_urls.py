from django.urls import path

from . import pages, views

urlpatterns = [
    path("login/", pages.login),
    path("login-checked/", pages.login_checked),
    path("leave/", pages.leave),
    path("leave-by-name/", pages.leave_by_name),
    path("greeting/", pages.greeting),
    path("greeting-fixed/", pages.greeting_fixed),
    path("badge/", pages.badge),
    path("badge-safe/", pages.badge_safe),
    path("preferences/", pages.preferences),
    path("preferences-checked/", pages.preferences_checked),
    path("consent/", pages.consent),
    path("consent-strict/", pages.consent_strict),
    path("invite/", pages.invite),
    path("invite-strong/", pages.invite_strong),
    path("search-limited/", views.search_limited),
    path("ages/", views.ages),
    path("ages-bound/", views.ages_bound),
    path("nobody/", views.not_found),
    path("nobody-escaped/", views.not_found_escaped),
    path("plain/", views.plain),
    path("split/", views.Split.as_view()),
    path("back/", views.back),
    path("matching/", views.matching),
    path("matching-text/", views.matching_text),
]
