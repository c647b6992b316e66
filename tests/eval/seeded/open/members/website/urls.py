"""The site's addresses."""

from django.urls import path

from club import account, admin_views, profile, views

urlpatterns = [
    path("members/", views.members),
    path("members/born/", views.born),
    path("members/near/", views.near),
    path("members/export/", views.export),
    path("events/", views.events),
    path("profile/<int:number>/", profile.show),
    path("profile/motto/", profile.motto),
    path("profile/card/", profile.card),
    path("profile/picture/", profile.picture),
    path("profile/document/", profile.document),
    path("profile/letter/", profile.letter),
    path("account/enter/", account.enter),
    path("account/leave/", account.leave),
    path("account/reset/", account.reset),
    path("account/preferences/", account.preferences),
    path("account/become/", account.become),
    path("account/club/", account.choose_club),
    path("staff/query/", admin_views.query),
    path("staff/backup/", admin_views.backup),
    path("staff/import/", admin_views.take_over),
    path("staff/announce/", admin_views.announce),
    path("staff/list/", admin_views.take_list),
    path("staff/feed/", admin_views.feed),
    path("staff/search/", admin_views.search),
]
