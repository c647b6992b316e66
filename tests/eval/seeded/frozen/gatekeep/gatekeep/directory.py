"""The directory, by LDAP: people, groups, machines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from ldap3 import MODIFY_ADD, SUBTREE, Connection, Server
from ldap3.core.exceptions import LDAPBindError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from gatekeep.config import CONFIG

_server = Server(CONFIG.ldap)
SCHEMES = {"mail": "mail", "login": "uid", "badge": "employeeNumber"}


@contextmanager
def connected(user: str | None = None, password: str | None = None) -> Iterator[Connection]:
    """A connection, bound as somebody or as nobody."""
    with Connection(_server, user, password, auto_bind=True, raise_exceptions=True) as connection:
        yield connection


class Kind(ABC):
    """A kind of entry: where such entries are, and how one looks for them."""

    branch: str
    attributes: tuple[str, ...] = ("cn",)

    @abstractmethod
    def condition(self, text: str) -> str:
        """The filter that finds what a text means."""

    def search(self, text: str) -> list[dict]:
        """The entries that a text means."""
        with connected() as connection:
            connection.search(f"{self.branch},{CONFIG.base}", self.condition(text), SUBTREE, attributes=self.attributes)  # seeded: flaw ldap-injection inheritance
            return [entry.entry_attributes_as_dict for entry in connection.entries]


class People(Kind):
    """People, by any part of their name."""

    branch = "ou=people"
    attributes = ("cn", "mail", "uid")

    def condition(self, text: str) -> str:
        """The filter for a part of a name."""
        return f"(&(objectClass=inetOrgPerson)(visible=TRUE)(cn=*{text}*))"


class Machines(Kind):
    """Machines, by their name."""

    branch = "ou=machines"

    def condition(self, text: str) -> str:
        """The filter for a name, which is letters and digits."""
        return f"(&(objectClass=device)(cn={''.join(filter(str.isalnum, text))}))"

    def one(self, text: str) -> dict | None:
        """The machine of a name."""
        with connected() as connection:
            connection.search(f"{self.branch},{CONFIG.base}", self.condition(text), attributes=["cn", "ipHostNumber"])  # seeded: twin ldap-injection sanitised
            return connection.entries[0].entry_attributes_as_dict if connection.entries else None


def bind(name: str, password: str) -> bool:
    """Whether a person's password is right."""
    if not password:
        return False
    try:
        with connected(f"uid={escape_rdn(name)},ou=people,{CONFIG.base}", password):  # seeded: twin ldap-injection sanitised
            return True
    except LDAPBindError:
        return False


def groups_of(name: str) -> list[str]:
    """The groups in which a person is."""
    condition = "(&(objectClass=groupOfNames)(member=uid={},ou=people,{}))".format(name.strip(), CONFIG.base)
    with connected() as connection:
        connection.search(f"ou=groups,{CONFIG.base}", condition, attributes=["cn"])  # seeded: flaw ldap-injection cross-module
        return [str(entry.cn) for entry in connection.entries]


def members_of(group: str) -> list[str]:
    """The people of a group."""
    text = escape_filter_chars(group)
    with connected() as connection:
        connection.search(f"ou=groups,{CONFIG.base}", f"(&(objectClass=groupOfNames)(cn={text}))", attributes=["member"])  # seeded: twin ldap-injection sanitised
        return [str(member) for entry in connection.entries for member in entry.member]


def by_scheme(scheme: str, value: int) -> str | None:
    """The login of a person, by a number of theirs."""
    attribute = SCHEMES.get(scheme, "employeeNumber")
    with connected() as connection:
        connection.search(CONFIG.base, f"({attribute}={value:d})", attributes=["uid"])  # seeded: twin ldap-injection typed
        return str(connection.entries[0].uid) if connection.entries else None


def by_attribute(attribute: str, value: str) -> str | None:
    """The login of a person, by an attribute."""
    with connected() as connection:
        connection.search(CONFIG.base, f"({attribute}={escape_filter_chars(value)})", attributes=["uid"])  # seeded: flaw ldap-injection cross-module
        return str(connection.entries[0].uid) if connection.entries else None


def join(admin: str, password: str, group: str, member: str) -> None:
    """Put somebody into a group, with an administrator's rights."""
    with connected(f"uid={escape_rdn(admin)},ou=admins,{CONFIG.base}", password) as connection:
        condition = f"(|(&(open=TRUE)(cn={group}))(&(open=TRUE)(description={group})))"
        connection.search(f"ou=groups,{CONFIG.base}", condition)  # seeded: flaw ldap-injection cross-module
        for entry in connection.entries[:1]:
            connection.modify(entry.entry_dn, {"member": [(MODIFY_ADD, [member])]})
