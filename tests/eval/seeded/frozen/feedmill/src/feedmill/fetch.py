"""Getting what partners have sent."""

import email
import ftplib
import hashlib
import imaplib
import logging
import os
import random
import tarfile
import time
import urllib.request
import zipfile
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

log = logging.getLogger(__name__)
INBOX = Path("/srv/feedmill/inbox")
PARTNERS = frozenset({"ftp.north.example", "ftp.south.example"})


def attachments(message: Message):
    """Yield name and content of what is attached to a message."""
    for part in message.walk():
        if name := part.get_filename():
            yield name, part.get_payload(decode=True)


def save(name: str, content: bytes) -> Path:
    """Keep a feed in the inbox."""
    path = INBOX.joinpath(name)
    path.write_bytes(content)  # seeded: flaw path-traversal generator
    return path


def save_by_digest(content: bytes) -> Path:
    """Keep a feed in the inbox under the digest of its content, so that none is there twice."""
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()  # seeded: twin weak-hash api
    path = INBOX / digest[:2] / digest
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)  # seeded: twin path-traversal safe-element
    return path


def imap(host: str) -> None:
    """Attachments of the mail that is not read yet."""
    with imaplib.IMAP4_SSL(host) as box:
        box.login("feeds", os.environ["FEEDMILL_IMAP"])
        box.select()
        _, found = box.search(None, "UNSEEN")
        for number in found[0].split():
            _, data = box.fetch(number, "(RFC822)")
            message = email.message_from_bytes(data[0][1])
            for name, content in attachments(message):
                save(name, content)
            log.info("mail of %d bytes", len(data[0][1]))  # seeded: twin log-injection typed


def ftp(host: str) -> None:
    """All files of a partner's FTP server; some are archives, which are unpacked."""
    if host not in PARTNERS:
        raise SystemExit(f"{host} is no partner's server")
    with ftplib.FTP_TLS(host, "feedmill", os.environ["FEEDMILL_FTP"]) as server:
        for name in server.nlst():
            with open(INBOX / host / name, "wb") as out:  # seeded: flaw path-traversal loop
                server.retrbinary(f"RETR {name}", out.write)

            base = os.path.basename(name)
            if base in ("", ".", ".."):
                continue
            with open(INBOX / "latest" / base, "wb") as out:  # seeded: twin path-traversal sanitised
                server.retrbinary(f"RETR {name}", out.write)
            unpack(INBOX / "latest" / base)


def unpack(path: Path) -> None:
    """Unpack an archive beside itself."""
    target = path.with_suffix("")
    if path.suffix == ".tgz":
        with tarfile.open(path, "r:gz") as archive:
            archive.extractall(target)  # seeded: flaw archive-extraction helper
    elif path.suffix == ".tar":
        with tarfile.open(path) as archive:
            if sum(member.size for member in archive.getmembers()) < 2**30:
                archive.extractall(target, filter="data")  # seeded: twin archive-extraction api
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            unzip(archive, target)


def unzip(archive: zipfile.ZipFile, target: Path) -> None:
    """Unpack a zip archive, keeping the times of its files."""
    for info in archive.infolist():
        if info.is_dir():
            continue
        path = target / info.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(info))  # seeded: flaw archive-extraction loop
        os.utime(path, (time.time(), time.mktime((*info.date_time, 0, 0, -1))))


def url(address: str) -> None:
    """A feed by its address, then the pictures that it names."""
    with urllib.request.urlopen(address) as answer:
        feed = answer.read().decode()
    save_by_digest(feed.encode())
    for line in feed.splitlines():
        kind, _, value = line.partition("\t")
        if kind == "picture":
            picture(value)
        elif kind == "thumbnail":
            thumbnail(value)
        time.sleep(random.uniform(0.5, 1.5))  # seeded: twin weak-random safe-element


def picture(address: str) -> None:
    """Fetch a picture that a feed names."""
    request = urllib.request.Request(address, headers={"User-Agent": "feedmill"})
    with urllib.request.urlopen(request, timeout=20) as answer:  # seeded: flaw ssrf helper
        save_by_digest(answer.read())


def thumbnail(address: str) -> None:
    """Fetch a thumbnail that a feed names; they all lie with one host."""
    path = urlsplit(address).path
    with urllib.request.urlopen("https://thumbnails.example/v1" + path, timeout=20) as answer:  # seeded: twin ssrf constant
        save_by_digest(answer.read())


FETCHERS = {"imap": imap, "ftp": ftp, "url": url}
