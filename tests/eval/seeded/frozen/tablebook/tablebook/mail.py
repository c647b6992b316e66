"""Mail to guests, handed to the relay on this machine."""

import smtplib
from email.message import EmailMessage

SENDER = "tables@tablebook.example"
RELAY = ("127.0.0.1", 25)


def _post(to: str, text: str) -> None:
    with smtplib.SMTP(*RELAY) as relay:
        relay.sendmail(SENDER, [to], text)  # seeded: flaw header-injection cross-module


def confirm(address: str, guest: str, code: str) -> None:
    """Tell a guest the code of the booking."""
    lines = [
        f"From: {SENDER}",
        f"To: {address}",
        f"Subject: {guest}, your table is booked",
        "",
        f"Your code is {code}.",
    ]
    _post(address, "\r\n".join(lines))


def remind(address: str, guest: str, day: str) -> None:
    """Remind a guest of tomorrow's booking."""
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = address
    message["Subject"] = f"{guest}, see you on {day}"
    message.set_content("We look forward to seeing you.")
    with smtplib.SMTP(*RELAY) as relay:
        relay.send_message(message)  # seeded: twin header-injection api


def decline(address: str, guest: str) -> None:
    """Tell a guest that there is no table left."""
    to, name = (" ".join(part.split()) for part in (address, guest))
    text = f"From: {SENDER}\r\nTo: {to}\r\nSubject: {name}, we are full\r\n\r\nWe are sorry.\r\n"
    with smtplib.SMTP(*RELAY) as relay:
        relay.sendmail(SENDER, [to], text)  # seeded: twin header-injection sanitised
