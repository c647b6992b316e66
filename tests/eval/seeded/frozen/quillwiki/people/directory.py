"""The company's directory, by LDAP."""

from contextlib import contextmanager

import ldap
from django.conf import settings
from ldap.dn import escape_dn_chars
from ldap.filter import escape_filter_chars, filter_format

PEOPLE = "ou=people,dc=wiki,dc=example"


@contextmanager
def directory():
    """A connection that is closed in the end."""
    connection = ldap.initialize(settings.LDAP_URI)
    try:
        yield connection
    finally:
        connection.unbind_s()


def check(name, password):
    """Whether the directory knows a person by this password."""
    if not password:
        return False
    with directory() as connection:
        try:
            connection.simple_bind_s(f"uid={escape_dn_chars(name)},{PEOPLE}", password)  # seeded: twin ldap-injection sanitised
        except ldap.INVALID_CREDENTIALS:
            return False
    return True


def groups(name):
    """The groups of a person."""
    with directory() as connection:
        found = connection.search_s("ou=groups,dc=wiki,dc=example", ldap.SCOPE_SUBTREE, "(&(objectClass=group)(member=" + name + "))")  # seeded: flaw ldap-injection cross-module
    return [entry["cn"][0].decode() for _, entry in found]


def colleagues(department, name):
    """People of a department whose name begins so."""
    query = filter_format("(&(department=%s)(cn=%s*))", [department, name])
    with directory() as connection:
        found = connection.search_s(PEOPLE, ldap.SCOPE_ONELEVEL, query, ["cn"])  # seeded: twin ldap-injection api
    return [entry["cn"][0].decode() for _, entry in found]


def mail(name):
    """The address of a person."""
    text = escape_filter_chars(name)
    with directory() as connection:
        found = connection.search_ext_s(PEOPLE, ldap.SCOPE_ONELEVEL, f"(uid={text})", ["mail"])  # seeded: twin ldap-injection sanitised
    return found[0][1]["mail"][0].decode() if found else None
