from django.urls import path

from . import views

urlpatterns = [
    path("checked/<path:name>", views.show_checked),
    path("letter/<slug:name>", views.letter),
    path("store/", views.store),
    path("store-named/", views.store_named),
    path("fetch/", views.fetch),
    path("fetch-known/", views.fetch_known),
    path("reachable/", views.reachable),
    path("reachable-imaging/", views.reachable_imaging),
    path("cached/", views.cached),
    path("referral/", views.referral),
    path("referral-strict/", views.referral_strict),
    path("restore/", views.restore),
    path("restore-signed/", views.restore_signed),
    path("scan/", views.scan),
    path("scan-list/", views.scan_list),
    path("convert/", views.convert),
    path("lab/", views.lab),
    path("lab-bound/", views.lab_bound),
    path("unpack/", views.unpack),
    path("unpack-filtered/", views.unpack_filtered),
    path("score/", views.score),
    path("score-number/", views.score_number),
    path("<path:name>", views.show),
]
