import base64
import hmac
import os
import pickle
import shutil
import subprocess
import tarfile
import tempfile

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponse, HttpResponseForbidden, JsonResponse
from django.utils._os import safe_join
from django.views.decorators.http import require_POST
from lxml import etree

from . import fetching

SCANNER = "/usr/bin/scan-document"


def show(request, name):
    path = os.path.join(settings.MEDIA_ROOT, name)
    if not os.path.exists(path):
        raise Http404
    return FileResponse(open(path, "rb"))  # seeded: flaw path-traversal direct


def show_checked(request, name):
    path = safe_join(settings.MEDIA_ROOT, name)
    return FileResponse(open(path, "rb"))  # seeded: twin path-traversal sanitised


def letter(request, name):
    return FileResponse(open(f"/srv/letters/{name}.pdf", "rb"))  # seeded: twin path-traversal typed


def _write(name, upload):
    with open(settings.MEDIA_ROOT / name, "wb") as target:  # seeded: flaw path-traversal helper
        for chunk in upload.chunks():
            target.write(chunk)


@require_POST
def store(request):
    upload = request.FILES["document"]
    _write(request.POST.get("name", "unnamed"), upload)
    return HttpResponse(status=201)


@require_POST
def store_named(request):
    upload = request.FILES["document"]
    handle, path = tempfile.mkstemp(dir=settings.MEDIA_ROOT)
    with os.fdopen(handle, "wb") as target:  # seeded: twin path-traversal api
        shutil.copyfileobj(upload, target)
    return JsonResponse({"name": os.path.basename(path)})


def fetch(request):
    gateway = fetching.Gateway(request.GET["url"])
    return HttpResponse(gateway.document(), content_type="application/pdf")


def fetch_known(request):
    gateway = fetching.KnownGateway(request.GET["url"])
    return HttpResponse(gateway.document(), content_type="application/pdf")


def reachable(request):
    return JsonResponse({"lab": fetching.status(request.GET["host"])})


def reachable_imaging(request):
    return JsonResponse({"imaging": fetching.imaging_status(request.GET["device"])})


@require_POST
def referral(request):
    parser = etree.XMLParser(load_dtd=True, resolve_entities=True)
    document = etree.fromstring(request.body, parser=parser)  # seeded: flaw xxe direct
    return JsonResponse({"to": document.findtext("to")})


@require_POST
def referral_strict(request):
    parser = etree.XMLParser(resolve_entities=False)
    document = etree.fromstring(request.body, parser=parser)  # seeded: twin xxe api
    return JsonResponse({"to": document.findtext("to")})


@require_POST
def restore(request):
    state = base64.b64decode(request.POST["state"])
    draft = pickle.loads(state)  # seeded: flaw deserialization direct
    return JsonResponse({"title": draft["title"]})


@require_POST
def restore_signed(request):
    state = base64.b64decode(request.POST["state"])
    expected = hmac.new(settings.SECRET_KEY.encode(), state, "sha256").hexdigest()
    if not hmac.compare_digest(expected, request.POST["signature"]):
        return HttpResponseForbidden()
    return JsonResponse({"size": len(state)})


@require_POST
def scan(request):
    path = request.POST["path"]
    output = subprocess.check_output(f"{SCANNER} {path}", shell=True)  # seeded: flaw command-injection direct
    return HttpResponse(output, content_type="text/plain")


@require_POST
def scan_list(request):
    path = request.POST["path"]
    output = subprocess.check_output([SCANNER, path], shell=False)  # seeded: twin command-injection api
    return HttpResponse(output, content_type="text/plain")


def _options(data):
    options = []
    if data.get("pages"):
        options += ["--pages", data["pages"]]
    return options


@require_POST
def convert(request):
    argv = ["sh", "-c", "unoconv " + " ".join(_options(request.POST))]
    subprocess.run(argv, check=True)  # seeded: flaw command-injection helper
    return HttpResponse(status=202)


def _laboratory():
    return etree.parse("/srv/lab/results.xml")


def lab(request):
    query = "/results/result[patient='{}']".format(request.GET["patient"])
    return JsonResponse({"found": len(_laboratory().xpath(query))})  # seeded: flaw xpath-injection direct


def lab_bound(request):
    find = etree.XPath("/results/result[patient=$patient]")  # seeded: twin xpath-injection api
    return JsonResponse({"found": len(find(_laboratory(), patient=request.GET["patient"]))})


@require_POST
def unpack(request):
    archive = tarfile.open(fileobj=request.FILES["archive"], mode="r:gz")
    for member in archive.getmembers():
        archive.extract(member, settings.MEDIA_ROOT)  # seeded: flaw archive-extraction loop
    return HttpResponse(status=202)


@require_POST
def unpack_filtered(request):
    with tarfile.open(fileobj=request.FILES["archive"], mode="r:gz") as archive:
        archive.extractall(settings.MEDIA_ROOT, filter=tarfile.data_filter)  # seeded: twin archive-extraction api
    return HttpResponse(status=202)


def score(request):
    formula = request.GET.get("formula", "bmi")
    namespace = {"bmi": 22}
    exec("result = " + formula, namespace)  # seeded: flaw code-injection direct
    return JsonResponse({"score": namespace["result"]})


def score_number(request):
    weight = float(request.GET.get("weight", "70"))
    return JsonResponse({"score": eval("weight / 3.24", {"weight": weight})})  # seeded: twin code-injection constant


def cached(request):
    key = request.GET["key"]
    if default_storage.exists(key):
        return HttpResponse(status=204)
    return HttpResponse(status=404)
