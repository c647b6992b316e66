"""The company's people, as the LDAP server knows them."""

import os
import re

import ldap
import ldap3
from ldap.filter import escape_filter_chars as escape_value
from ldap.filter import filter_format
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

BASE = "ou=people,dc=example,dc=com"
GROUPS = "ou=groups,dc=example,dc=com"
SHOWN = ["cn", "mail", "telephoneNumber"]
KINDS = {"staff": "(employeeType=staff)", "guest": "(employeeType=guest)"}
_UID = re.compile(r"[a-z][a-z0-9]{1,15}")


def connect() -> ldap3.Connection:
    """Return a connection of the service itself."""
    server = ldap3.Server(os.environ.get("LDAP_URL", "ldaps://ldap.example.com"))
    return ldap3.Connection(server, os.environ["LDAP_USER"], os.environ["LDAP_PASSWORD"], auto_bind=True)


def by_mail(mail: str):
    """Return whoever has a mail address."""
    conn = connect()
    conn.search(BASE, f"(&(objectClass=person)(mail={mail}))", attributes=SHOWN)  # seeded: flaw ldap-injection cross-module
    return [entry.entry_attributes_as_dict for entry in conn.entries]


def by_name(name: str):
    """Return whoever has a name like this one."""
    conn = connect()
    wanted = escape_filter_chars(name)
    conn.search(BASE, f"(&(objectClass=person)(cn=*{wanted}*))", attributes=SHOWN)  # seeded: twin ldap-injection sanitised
    return [entry.entry_attributes_as_dict for entry in conn.entries]


def by_uid(uid: str):
    """Return one person.

    Raises:
        ValueError: the name of an account cannot look like this.
    """
    if _UID.fullmatch(uid) is None:
        raise ValueError(f"{uid!r} is no account")
    conn = connect()
    conn.search(BASE, "(uid=" + uid + ")", attributes=SHOWN)  # seeded: twin ldap-injection allow-list
    return [entry.entry_attributes_as_dict for entry in conn.entries]


def of_kind(kind: str):
    """Return all staff or all guests."""
    conn = connect()
    conn.search(BASE, KINDS.get(kind, KINDS["staff"]), attributes=SHOWN)  # seeded: twin ldap-injection safe-element
    return [entry.entry_attributes_as_dict for entry in conn.entries]


def by_number(number: str):
    """Return who has an employee's number."""
    conn = connect()
    conn.search(BASE, f"(employeeNumber={int(number)})", attributes=SHOWN)  # seeded: twin ldap-injection typed
    return [entry.entry_attributes_as_dict for entry in conn.entries]


def rename(uid: str, name: str) -> None:
    """Give a person another common name."""
    conn = connect()
    conn.modify_dn(f"uid={escape_rdn(uid)},{BASE}", f"cn={escape_rdn(name)}")  # seeded: twin ldap-injection sanitised


class Directory:
    """The older interface, by python-ldap."""

    def __init__(self) -> None:
        self.link = ldap.initialize(os.environ.get("LDAP_URL", "ldaps://ldap.example.com"))
        self.terms: list[str] = []

    def where(self, attribute: str, value: str) -> "Directory":
        """Add a condition."""
        self.terms.append("(%s=%s)" % (attribute, value))
        return self

    def people(self):
        """Return who meets all conditions."""
        wanted = "(&" + "".join(self.terms) + ")"
        return self.link.search_s(BASE, ldap.SCOPE_SUBTREE, wanted, SHOWN)  # seeded: flaw ldap-injection class

    def groups_of(self, member: str):
        """Return the groups of a member."""
        wanted = filter_format("(&(objectClass=group)(memberUid=%s))", [member])
        return self.link.search_s(GROUPS, ldap.SCOPE_ONELEVEL, wanted)  # seeded: twin ldap-injection api

    def signs_in(self, user: str, password: str) -> bool:
        """Say whether a user's password is right, after looking up where the user is."""
        term = escape_value(user)
        found = self.link.search_s(BASE, ldap.SCOPE_SUBTREE, f"(uid={term})")  # seeded: twin ldap-injection sanitised
        if len(found) != 1 or not password:
            return False
        try:
            self.link.simple_bind_s(found[0][0], password)
        except ldap.INVALID_CREDENTIALS:
            return False
        return True


def each_match(values):
    """Give, of several filter values, who has them, one after the other."""
    conn = connect()
    for value in values:
        conn.search(search_base=BASE, search_filter="(|(cn=%s)(sn=%s))" % (value, value))  # seeded: flaw ldap-injection generator
        yield from conn.entries


def remove_from_group(group: str, uid: str) -> None:
    """Take a person out of a group."""
    conn = connect()
    place = f"cn={group},{GROUPS}"
    conn.modify(place, {"memberUid": [(ldap3.MODIFY_DELETE, [uid])]})  # seeded: flaw ldap-injection helper
